"""Markdown tables of what was measured: median (least to most) of the rounds."""
import statistics

COLUMNS = [("mb_s", "MB/s", 0), ("inst_s", "instances/s", 0), ("p50_ms", "p50 ms", 2), ("p95_ms", "p95 ms", 1),
           ("cpu_s_gb", "CPU s/GB", 2), ("peak_mib", "peak MiB", 0), ("disk_per_byte", "disk/byte", 3),
           ("noise", "noise, cores", 2), ("errors", "errors", 0)]
COPY_COLUMNS = [("study_per_byte", "study", 3), ("edited_per_byte", "header-edited copy", 4),
                ("again_per_byte", "same again", 4), ("errors", "errors", 0)]
GROWTH_ROWS = [
    ("empty_inst_s", "C-STORE, 4 associations, empty archive, instances/s", 0),
    ("filled_inst_s", "the same on top of the index, instances/s", 0),
    ("rate_kept", "rate kept", 2), ("empty_p50_ms", "p50 ms, empty", 2), ("filled_p50_ms", "p50 ms, filled", 2),
    ("empty_noise", "noise, cores, empty", 2), ("filled_noise", "noise, cores, filled", 2),
    ("fill_first_s", "STOW-RS fill, first tenth, instances/s", 0), ("fill_last_s", "STOW-RS fill, last tenth", 0),
    ("restart_s", "start to ready, s", 3), ("restart_killed_s", "start to ready after SIGKILL, s", 3),
    ("idle_mib", "memory at rest, MiB", 0), ("index_bytes_each", "index on disk, bytes per instance", 0),
    ("disk_bytes_each", "all on disk, bytes per instance", 0)]

# What this server is to reach: case, figure, at least (1) or at most (-1), bound.
AIMS = [
    ("C-STORE, 1 association", "mb_s", 1, 300), ("C-STORE, 4 associations", "mb_s", 1, 500),
    ("storescu, Nagle on", "mb_s", 1, 150), ("STOW-RS, 1 connection", "mb_s", 1, 300),
    ("STOW-RS, 4 connections", "mb_s", 1, 400), ("C-STORE, 1 association", "cpu_s_gb", -1, 2.5),
    ("C-STORE, 4 associations", "cpu_s_gb", -1, 2.5), ("C-STORE, 4 associations", "peak_mib", -1, 100),
    ("STOW-RS, 4 connections", "peak_mib", -1, 100), ("C-STORE, 64 associations", "peak_mib", -1, 300),
    ("Copies", "edited_per_byte", -1, 0.02), ("Growth", "rate_kept", 1, 0.8), ("Growth", "restart_s", -1, 2),
]

QUIET = 0.3  # Cores that others may use in a round that counts for an aim.


def spread(rounds, key, digits):
    values = [r[key] for r in rounds if key in r]
    if not values:
        return ""
    show = lambda value: "%.*f" % (digits, value)
    middle, low, high = show(statistics.median(values)), show(min(values)), show(max(values))
    return middle if low == high else "%s (%s–%s)" % (middle, low, high)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def render(results):
    """The whole report of `results`, as run.py collects them."""
    machine, settings = results["machine"], results["settings"]
    lines = ["# Bench", "",
             "%(processor)s, %(cores)d cores, %(memory_mib)d MiB, Linux %(kernel)s, %(disk)s" % machine, "",
             "%d rounds; %d slices of 526 KB (storescu: %d); begun %s, took %d s" % (
                 settings["rounds"], settings["slices"], settings["storescu_slices"], results["begun"],
                 results["seconds"]), ""]
    lines += table(("receiver", "version", "durable"),
                    [(p["name"], p["version"], p["durable"]) for p in results["peers"]])
    lines += ["Left out: %s" % text for text in results["absent"]] + [""] * bool(results["absent"])
    for case, peers in results["cases"].items():
        columns = COPY_COLUMNS if case == "Copies" else COLUMNS
        columns = [c for c in columns if any(c[0] in r for rounds in peers.values() for r in rounds)]
        title = "Disk bytes for each byte sent" if case == "Copies" else case
        lines += ["## " + title, ""]
        lines += table(("receiver", *(c[1] for c in columns)),
                        [(name, *(spread(rounds, c[0], c[2]) for c in columns)) for name, rounds in peers.items()])
    lines += _growth(results) + _aims(results)
    return "\n".join(lines)


def _growth(results):
    if not results["growth"]:
        return []
    count = max(r["instances"] for rounds in results["growth"].values() for r in rounds)
    rows = [(text, *(spread(rounds, key, digits) for rounds in results["growth"].values()))
            for key, text, digits in GROWTH_ROWS]
    return ["## With {:,} instances indexed".format(count), ""] + table(("", *results["growth"]), rows)


def _is_quiet(figures):
    return all(value <= QUIET for key, value in figures.items() if key.endswith("noise"))


def _aims(results):
    """The aims beside what the first receiver, this server, reached; in the quiet rounds, if there are any."""
    ours, rows = results["peers"][0]["name"], []
    names = {key: name for key, name, _ in COLUMNS + COPY_COLUMNS + GROWTH_ROWS}
    for case, key, sign, bound in AIMS:
        cases = {**results["cases"], "Growth": results["growth"]}
        rounds = [r for r in cases.get(case, {}).get(ours, []) if key in r]
        quiet = [r for r in rounds if _is_quiet(r)]
        if rounds:
            value = statistics.median(r[key] for r in quiet or rounds)
            met = "yes" if sign * value >= sign * bound else "**no**"
            rows.append((case, names[key], ("≥ %g" if sign > 0 else "≤ %g") % bound, "%.4g" % value, met,
                         "%d of %d" % (len(quiet), len(rounds))))
    head = ("case", "figure", "aim", "median", "met", "quiet rounds")
    return ["## Aims of this server", ""] + table(head, rows) if rows else []
