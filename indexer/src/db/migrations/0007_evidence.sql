-- What the reuse check needs of studies, gathered when they went quiet.
--
-- All of it is derived; a study waits to be examined while generation is greater than examined_generation, so that
-- studies that are here already are examined at the next start.
ALTER TABLE study ADD COLUMN examined_generation INTEGER NOT NULL DEFAULT 0;
CREATE INDEX study_to_examine ON study (changed_ms) WHERE generation > examined_generation;

-- state: the sum of the generations of the study's series that were looked at. rule: version of the rules.
-- body: the evidence as JSON.
CREATE TABLE study_evidence (
    study_row INTEGER PRIMARY KEY REFERENCES study (id),
    state INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    rule TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX study_evidence_rule ON study_evidence (rule);

-- Readers' marks of the quality of studies, one for each reader.
CREATE TABLE quality_mark (
    subject_row INTEGER PRIMARY KEY REFERENCES subject (id),
    study_uid TEXT NOT NULL,
    time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX quality_mark_study ON quality_mark (study_uid);

-- Studies that were withdrawn have no patient any more; they are found by what their instances say.
CREATE INDEX study_variant_patient ON study_variant (patient_id, issuer) WHERE patient_id <> '';
CREATE INDEX withdrawal_study ON withdrawal (study_uid);
