-- Studies that keep the codes they got and of which the lists in force would say something else. Derived by the mapper,
-- which looks at every study again when lists change: older rows need nothing.
ALTER TABLE study_code ADD COLUMN proposed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX study_code_proposed ON study_code (study_row) WHERE proposed = 1;
