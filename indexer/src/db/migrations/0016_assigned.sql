-- The codes that studies got, as the archive stated them: a study keeps code and list version when the index is made again.
--
-- Of one study the statement with the greatest round counts, of equal ones the greater core; n: its place in the statement.
CREATE TABLE code_assigned (
    study_uid TEXT PRIMARY KEY,
    round INTEGER NOT NULL,
    core TEXT NOT NULL,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- core: names what is to be stated, empty where nothing is or where an earlier program wrote the row.
ALTER TABLE study_code ADD COLUMN core TEXT NOT NULL DEFAULT '';
ALTER TABLE study_code ADD COLUMN unstated INTEGER NOT NULL DEFAULT 0;
UPDATE study_code SET unstated = 1 WHERE outcome = 1;
CREATE INDEX study_code_unstated ON study_code (study_row) WHERE unstated = 1;
