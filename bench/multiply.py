"""Multiplies the rows of an index that `many_studies` filled, so that an archive of a million studies need not be stored
one by one: every copy has patients, persons, studies, codes, evidence, orders, reports, decisions and entries of its own,
under other numbers, keys and birth dates. Bytes in packs are not multiplied; questions are asked about the originals.

    python3 bench/multiply.py FOLDER/index.sqlite COPIES
"""
import sqlite3
import sys

BIRTH = ("CASE WHEN length({0}) = 8 THEN replace(date(substr({0},1,4)||'-'||substr({0},5,2)||'-'||substr({0},7,2), "
         "'+'||(:n * 37 % 9000)||' days'), '-', '') ELSE {0} END")
PATIENT_ID = "CASE WHEN patient_id = '' THEN '' ELSE patient_id||'-'||:n END"
ACCESSION = "CASE WHEN accession = '' THEN '' ELSE accession||'-'||:n END"
OTHER_KEY = "other({0}, :n)"
# Of which table a column names a row; those rows are moved by the length of that table.
ROWS = {
    "patient_row": "patient", "person_row": "person", "study_row": "study", "winner_id": "instance",
    "variant_id": None, "series_row": "series", "study_variant_id": "study_variant",
    "series_variant_id": "series_variant", "instance_id": "instance", "subject_row": "subject",
    "statement_row": "statement",
}
VARIANTS = {"study": "study_variant", "series": "series_variant"}
TABLES = {
    "patient": {"patient_id": PATIENT_ID, "key": OTHER_KEY.format("key")},
    "person": {
        "key": OTHER_KEY.format("key"), "patient_key": OTHER_KEY.format("patient_key"), "patient_id": PATIENT_ID,
        "birth_date": BIRTH.format("birth_date"),
        "birth_year": "CASE WHEN length(birth_date) = 8 THEN CAST(substr(" + BIRTH.format("birth_date")
        + ",1,4) AS INTEGER) ELSE birth_year END",
    },
    "collision": {"a": "min(other(a, :n), other(b, :n))", "b": "max(other(a, :n), other(b, :n))"},
    "study": {
        "study_uid": "study_uid||'.'||:n", "winner_digest": OTHER_KEY.format("winner_digest"),
        "patient_id": PATIENT_ID, "accession": ACCESSION, "birth_date": BIRTH.format("birth_date"),
    },
    "study_variant": {
        "digest": OTHER_KEY.format("digest"), "patient_id": PATIENT_ID, "accession": ACCESSION,
        "birth_date": BIRTH.format("birth_date"),
    },
    "series": {"series_uid": "series_uid||'.'||:n", "winner_digest": OTHER_KEY.format("winner_digest")},
    "series_variant": {"digest": OTHER_KEY.format("digest")},
    "instance": {"digest": OTHER_KEY.format("digest"), "sop_uid": "sop_uid||'.'||:n"},
    "holding": {},
    "study_word": {},
    "study_code": {},
    "study_code_value": {},
    "study_evidence": {},
    "subject": {"key": "key||'-'||:n"},
    "statement": {"name": "name||'-'||:n"},
    "report": {"study_uid": "CASE WHEN study_uid = '' THEN '' ELSE study_uid||'.'||:n END", "accession": ACCESSION},
    "exam_order": {"accession": ACCESSION, "patient_id": PATIENT_ID},
    "code_assigned": {"study_uid": "study_uid||'.'||:n"},
    "reuse_decision": {"order_key": "order_key||'-'||:n"},
    "decision_report": {"report_key": "report_key||'-'||:n"},
    "decision_patient": {"patient": OTHER_KEY.format("patient")},
    "decision_study": {"study_uid": "study_uid||'.'||:n"},
    "ledger_entry": {"count": "count + :n * :entries", "order_key": "order_key||'-'||:n", "hash": OTHER_KEY.format("hash")},
    "ledger_line": {},
}


def other(key, n):
    """Another key of the same length, the same for the same key and copy."""
    if key is None or len(key) < 8:
        return key
    return bytes(b ^ m for b, m in zip(key[:8], (n * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big"))) + key[8:]


def main():
    path, copies = sys.argv[1], int(sys.argv[2])
    db = sqlite3.connect(path, isolation_level=None)
    db.create_function("other", 2, other, deterministic=True)
    for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -3000000", "foreign_keys = OFF"):
        db.execute("PRAGMA " + pragma)
    there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables = [table for table in TABLES if table in there]
    columns = {t: [row[1] for row in db.execute("PRAGMA table_info(%s)" % t)] for t in tables}
    has_id = {t for t in tables if "id" in columns[t]}
    step = {t: db.execute("SELECT coalesce(max(id), 0) FROM " + t).fetchone()[0] + 1 for t in has_id}
    entries = db.execute("SELECT coalesce(max(count), 0) FROM ledger_entry").fetchone()[0]
    db.execute("BEGIN")
    for table in tables:
        expressions = []
        for column in columns[table]:
            of = VARIANTS.get(table) if column == "variant_id" else ROWS.get(column)
            if column in TABLES[table]:
                expressions.append(TABLES[table][column])
            elif column == "id":
                expressions.append("id + :n * %d" % step[table])
            elif of in step:
                expressions.append("%s + :n * %d" % (column, step[of]))
            else:
                expressions.append(column)
        db.execute("CREATE TEMP TABLE original AS SELECT * FROM " + table)
        sql = "INSERT INTO %s (%s) SELECT %s FROM temp.original" % (table, ", ".join(columns[table]), ", ".join(expressions))
        for n in range(1, copies):
            db.execute(sql, {"n": n, "entries": entries})
        db.execute("DROP TABLE temp.original")
        print(table, db.execute("SELECT count(*) FROM " + table).fetchone()[0], flush=True)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("ANALYZE sqlite_schema")


if __name__ == "__main__":
    main()
