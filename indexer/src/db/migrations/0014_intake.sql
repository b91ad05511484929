-- Pictures that somebody brought for a patient (statements of kind intake). patient: key of the hospital number that they
-- were brought for (patient.key), which need not be that of a patient with pictures.
CREATE TABLE intake (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    patient BLOB NOT NULL
) STRICT;
CREATE INDEX intake_time ON intake (time);
CREATE INDEX intake_patient ON intake (patient, subject_row);

-- Their studies.
CREATE TABLE intake_study (
    study_uid TEXT NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (study_uid, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX intake_study_of ON intake_study (subject_row, study_uid);
