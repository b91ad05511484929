//! From a configuration to an open archive.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use indexer::archive::{Archive, ArchiveOptions, OpenError, Recovered, Remote};
use indexer::db::{Db, DbOptions};
use indexer::identity::{FacilityRule, IdentityRules, NumberIn};
use indexer::reuse::{Moment, SitePolicy};
use portal::accounts::Accounts;
use storage_config::Config;
use storage_config::config::{PatientIdIs, PersonalNumberIn};
use storage_config::disk::{DirLock, Disk};
use storage_config::object::{Client, Objects};

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Makes the data folder and takes its lock, which is held until it is dropped.
pub(crate) fn own_data_folder(config: &Config) -> Result<DirLock> {
    let data = &config.data_dir;
    std::fs::create_dir_all(data).with_context(|| format!("the data folder {}", data.display()))?;
    DirLock::acquire(data).with_context(|| format!("the data folder {}", data.display()))
}

/// Reads the accounts of the data folder.
pub(crate) fn accounts(config: &Config) -> Result<Accounts> {
    Accounts::open(&config.data_dir, config.sign_in.password_characters).context("the accounts of people")
}

/// Whether HTTP may start: beyond this machine there is somebody who can sign in, or the operator gave that up.
///
/// # Errors
/// With what to do, when it may not.
pub(crate) fn somebody_signs_in(config: &Config, accounts: &Accounts) -> Result<()> {
    let open = config.http_is_local() || config.http_is_given_up();
    if open || accounts.any() || !config.token.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "HTTP is reached from beyond this machine (http.listen = {}, http.public_url = {:?}) and nobody could sign in: \
         make the first account with `pacs-server account add NAME --role administrator`, or add a [[token]], or set \
         http.insecure_non_loopback = \"I accept\" to let everybody see everything",
        config.http.listen,
        config.http.public_url
    )
}

/// Minutes from UTC to the time of Vietnam, in which days are counted.
const UTC_OFFSET_MINUTES: i64 = 7 * 60;

/// How the process ends after a defect ended a thread that stores need (EX_SOFTWARE of sysexits). What was acknowledged is
/// durable; the unit starts a new process, which makes the missing rows.
const EXIT_DEAD: i32 = 70;

/// How long to wait after an upload failed, at first.
const RETRY: Duration = Duration::from_millis(500);

/// The object store to which sealed packs go; none where they stay in the data folder.
fn remote(config: &Config) -> Result<Option<Remote>> {
    let Some(bucket) = config.bucket() else { return Ok(None) };
    let store = &config.store;
    let client = Client::new(&bucket, store).context("the object store")?;
    Ok(Some(Remote {
        objects: Objects::Real(Arc::new(client)),
        ack: store.ack,
        backlog_bytes: store.backlog_bytes,
        cache_bytes: store.cache_bytes,
        block_cache_bytes: store.block_cache_bytes,
        seal_idle: Duration::from_secs(store.seal_idle_seconds),
        seal_age: Duration::from_secs(store.seal_age_seconds),
        retry: RETRY,
        retired: Duration::from_secs(store.retired_seconds),
    }))
}

/// Opens the index that the configuration names.
fn open_index(config: &Config) -> Result<Db> {
    let identity = identity(config)?;
    let options = DbOptions { identity, server: Some(config.store.writer), ..DbOptions::default() };
    if config.database.is_postgres() {
        let db = Db::open_postgres(&config.database.url, options)
            .with_context(|| format!("the index at {} cannot be opened", config.database.shown()))?;
        tracing::info!(database = db.name(), "the index is on a server");
        return Ok(db);
    }
    Ok(Db::open(&config.index_path(), options)?)
}

/// When two records are of one person: the policy, and what facilities said about their numbers.
fn identity(config: &Config) -> Result<Arc<IdentityRules>> {
    let place = |place: &PersonalNumberIn| match place {
        PersonalNumberIn::PatientId => NumberIn::PatientId,
        PersonalNumberIn::OtherPatientIds => NumberIn::OtherPatientIds,
    };
    let rules = config.facility.iter().map(|facility| {
        let personal_number_in = facility.personal_number_in.iter().map(place).collect();
        let sources = config.peer.iter().filter(|peer| peer.facility.as_ref() == Some(&facility.code));
        let counts: Vec<bool> = sources.map(|peer| peer.patient_id_is == PatientIdIs::Order).collect();
        // Where all its machines write a counter of orders, its orders name the same one.
        let counts_orders = !counts.is_empty() && counts.iter().all(|counts| *counts);
        let temporary_ids = facility.temporary_ids.clone();
        let rule = FacilityRule { personal_number_in, temporary_ids, counts_orders };
        (facility.code.clone(), rule)
    });
    let facilities = rules.filter(|(_, rule)| *rule != FacilityRule::default()).collect();
    let today = Moment { ms: now_ms() }.day(UTC_OFFSET_MINUTES);
    let policy = policy(config)?.decision.in_force(today).identity.clone();
    Ok(Arc::new(IdentityRules { facilities, policy }))
}

/// The policies of the reuse decision and of the ledger: as shipped, or with the site's file laid over them.
///
/// # Errors
/// With file, line and field, where something in the file is wrong.
pub(crate) fn policy(config: &Config) -> Result<SitePolicy> {
    let Some(path) = config.policy_path() else { return Ok(SitePolicy::shipped()?) };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the policy of reuse.policy, {}", path.display()))?;
    SitePolicy::read(&path.display().to_string(), &text).context("the policy of reuse.policy")
}

/// Keeps a copy of the policy's file under its hash, so that what an old decision was made by can be read again.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep_policy(config: &Config, policy: &SitePolicy) -> Result<()> {
    let (Some(path), Some(hash)) = (config.policy_path(), policy.file) else { return Ok(()) };
    let folder = config.data_dir.join("policies");
    let copy = folder.join(format!("{hash}.toml"));
    if copy.exists() {
        return Ok(());
    }
    let keep = || {
        std::fs::create_dir_all(&folder)?;
        storage_config::disk::replace_file(&copy, &std::fs::read(&path)?)
    };
    keep().with_context(|| format!("a copy of the policy, {}", copy.display()))
}

/// Makes the data folder, takes its lock and opens the archive in it. The lock is held until it is dropped.
pub(crate) fn open_archive(config: &Config) -> Result<(Archive, DirLock)> {
    let (archive, recovered, lock) = open_by(config, Archive::open_with)?;
    if recovered.packs > 0 {
        tracing::info!(
            packs = recovered.packs,
            records = recovered.records,
            gaps = recovered.gaps,
            unindexable = recovered.unindexable,
            "packs that were open at the last stop were indexed"
        );
    }
    Ok((archive, lock))
}

/// As [`open_archive`], with all rows made again from the packs. `progress` is told packs done and in all.
pub(crate) fn rebuild_archive(
    config: &Config,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Archive, Recovered, DirLock)> {
    open_by(config, |options, db, remote| Archive::open_to_rebuild(options, db, remote, progress))
}

fn open_by(
    config: &Config,
    open: impl FnOnce(ArchiveOptions, Db, Option<Remote>) -> Result<(Archive, Recovered), OpenError>,
) -> Result<(Archive, Recovered, DirLock)> {
    let data = &config.data_dir;
    let lock = own_data_folder(config)?;
    let db = open_index(config)?;
    let options = ArchiveOptions {
        disk: Disk::Real,
        packs_dir: config.packs_dir(),
        cache_dir: Some(data.join("cache")),
        replica: Some(config.store.replica.clone()).filter(|folder| !folder.as_os_str().is_empty()),
        writer: config.store.writer,
        scan: config.scan,
        store: config.store.limits,
        now_ms,
    };
    let (archive, recovered) = open(options, db, remote(config)?).context("the archive cannot be opened")?;
    let node = &config.node;
    if !node.url.is_empty() {
        archive.join(&node.url, node.secret.reveal()).context("the other servers of the index")?;
    }
    archive.when_dead(|thread| {
        tracing::error!(thread, "the process ends, so that a new one takes over");
        std::process::exit(EXIT_DEAD)
    });
    Ok((archive, recovered, lock))
}
