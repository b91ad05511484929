-- National codes of studies: what was assigned, what waits for a person, what people chose.
--
-- All of it is derived: choices and rules from statements, the rest from headers by the mapper. A study waits for the
-- mapper while generation is greater than processed_generation.
CREATE INDEX study_to_code ON study (changed_ms) WHERE generation > processed_generation;

-- outcome: 1 assigned, 2 waits for a person, 3 no radiology, 4 no examination. version: of rules and lists. basis: the
-- folded text of order and study, by which a rule of the facility finds it. name: the examination in words.
-- body: everything as JSON. items, schemes: what searches answer, as DICOM JSON, empty for nothing.
CREATE TABLE study_code (
    study_row INTEGER PRIMARY KEY REFERENCES study (id),
    facility_id INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    source TEXT NOT NULL,
    confidence REAL NOT NULL,
    technique TEXT NOT NULL,
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    basis TEXT NOT NULL,
    name TEXT NOT NULL,
    items TEXT NOT NULL,
    schemes TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX study_code_version ON study_code (version);
CREATE INDEX study_code_basis ON study_code (facility_id, basis) WHERE basis <> '';
CREATE INDEX study_code_review ON study_code (study_row) WHERE outcome = 2;

-- Codes by which a study is found: those that were assigned and those of its header.
CREATE TABLE study_code_value (
    study_row INTEGER NOT NULL REFERENCES study (id),
    value TEXT NOT NULL,
    scheme TEXT NOT NULL,
    PRIMARY KEY (study_row, value, scheme)
) STRICT, WITHOUT ROWID;
CREATE INDEX study_code_found ON study_code_value (value, study_row);

-- What people chose for a study. verdict: as outcome of study_code. techniques: joined by |.
CREATE TABLE code_choice (
    study_uid TEXT PRIMARY KEY,
    subject_row INTEGER NOT NULL REFERENCES subject (id),
    verdict INTEGER NOT NULL,
    techniques TEXT NOT NULL,
    service TEXT NOT NULL,
    who TEXT NOT NULL,
    time_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Choices that hold for a facility from then on.
CREATE TABLE code_rule (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    facility_id INTEGER NOT NULL,
    modality TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    techniques TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;
CREATE INDEX code_rule_of ON code_rule (facility_id);
