-- Lists by which studies are found, in the order in which studies are shown: a search reads as much of a list as its page
-- needs, however long the list is. newest: that of the study.
CREATE TABLE study_word_ordered (
    word_id INTEGER NOT NULL REFERENCES word (id),
    newest TEXT NOT NULL,
    study_row INTEGER NOT NULL REFERENCES study (id),
    PRIMARY KEY (word_id, newest, study_row)
) STRICT, WITHOUT ROWID;
INSERT INTO study_word_ordered (word_id, newest, study_row)
    SELECT w.word_id, s.newest, w.study_row FROM study_word w JOIN study s ON s.id = w.study_row ORDER BY 1, 2, 3;
DROP TABLE study_word;
ALTER TABLE study_word_ordered RENAME TO study_word;

ALTER TABLE study_code_value ADD COLUMN newest TEXT NOT NULL DEFAULT '';
DROP INDEX study_code_found;
UPDATE study_code_value SET newest = coalesce((SELECT s.newest FROM study s WHERE s.id = study_code_value.study_row), '');
CREATE INDEX study_code_found ON study_code_value (value, newest, study_row);
