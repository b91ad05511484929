-- Performed procedure steps as devices tell them (statements of kind performed_step).
--
-- time: of the statement. facility_id: whose device told it, 0 where that is not known.
CREATE TABLE performed_step (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    facility_id INTEGER NOT NULL
) STRICT;

-- The studies that a step was scheduled for, and the series that it made.
CREATE TABLE performed_study (
    study_uid TEXT NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (study_uid, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX performed_study_of ON performed_study (subject_row, study_uid);
CREATE TABLE performed_series (
    series_uid TEXT NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (series_uid, subject_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX performed_series_of ON performed_series (subject_row, series_uid);
