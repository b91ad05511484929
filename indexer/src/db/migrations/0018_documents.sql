-- Reports that are objects of a study, structured reports and encapsulated PDFs, as decisions relied on them and as they
-- are now.

-- Objects that a decision relied on, in the version that was served.
CREATE TABLE decision_document (
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    digest BLOB NOT NULL,
    study_uid TEXT NOT NULL,
    PRIMARY KEY (subject_row, digest)
) STRICT, WITHOUT ROWID;

-- Objects that were found to be reports when their study was examined last.
CREATE TABLE study_document (
    study_row INTEGER NOT NULL REFERENCES study (id),
    digest BLOB NOT NULL,
    PRIMARY KEY (study_row, digest)
) STRICT, WITHOUT ROWID;
