-- Orders and reports by what they are asked for: their current statement is the subject's.

-- open: nobody closed it: requested, being made or made. facility_id: 0 where none was told. Text is '' where nothing was told.
CREATE TABLE exam_order (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    facility_id INTEGER NOT NULL,
    accession TEXT NOT NULL,
    placer TEXT NOT NULL,
    filler TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    open INTEGER NOT NULL
) STRICT;
CREATE INDEX exam_order_time ON exam_order (time);
CREATE INDEX exam_order_accession ON exam_order (accession, facility_id) WHERE accession <> '';
CREATE INDEX exam_order_placer ON exam_order (placer, facility_id) WHERE placer <> '';
CREATE INDEX exam_order_filler ON exam_order (filler, facility_id) WHERE filler <> '';
CREATE INDEX exam_order_patient ON exam_order (patient_id, facility_id) WHERE patient_id <> '';

CREATE TABLE report (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    time INTEGER NOT NULL,
    facility_id INTEGER NOT NULL,
    accession TEXT NOT NULL,
    study_uid TEXT NOT NULL
) STRICT;
CREATE INDEX report_time ON report (time);
CREATE INDEX report_study ON report (study_uid) WHERE study_uid <> '';
CREATE INDEX report_accession ON report (accession, facility_id) WHERE accession <> '';
