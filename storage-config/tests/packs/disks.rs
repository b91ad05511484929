//! The contract of disks: one suite over the real and the simulated one, and what only the simulated one can do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use storage_config::disk::{DirLock, Disk, Fault, LockError, Operation, SimulatedDisk, SyncPoint};

const POINT: SyncPoint = SyncPoint::Group;

fn on_both(check: impl Fn(&Disk, &Path)) {
    let real = tempfile::tempdir().unwrap();
    check(&Disk::Real, real.path());
    check(&SimulatedDisk::new(1).disk(), Path::new("/"));
}

#[test]
fn files_hold_what_was_written() {
    on_both(|disk, dir| {
        let path = dir.join("file");
        let file = disk.create_new(&path).unwrap();
        assert_eq!(disk.create_new(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let many: Vec<Vec<u8>> = (0..3000u32).map(|n| n.to_le_bytes().to_vec()).collect();
        let mut parts: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        parts.insert(0, b"");
        parts.insert(1024, b"");
        file.write_at(&parts, 10).unwrap();
        file.write_at(&[], 99_999).unwrap();
        file.write_at(&[b"", b""], 99_999).unwrap();
        assert_eq!(file.len().unwrap(), 12_010);
        let mut expected = vec![0; 10];
        expected.extend(many.concat());

        let reader = disk.open(&path).unwrap();
        let mut out = b"x".to_vec();
        reader.append_to(&mut out, 12_010, 0).unwrap();
        assert!(out[1..] == expected);
        let mut roomy = Vec::with_capacity(100_000);
        reader.append_to(&mut roomy, 100, 5).unwrap();
        assert_eq!(roomy, expected[5..105]);
        assert_eq!(reader.append_to(&mut out, 11, 12_000).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(out.len(), 12_011);
        let mut buffer = [7; 20];
        assert_eq!(reader.read_at(&mut buffer, 12_000).unwrap(), 10);
        assert_eq!(reader.read_at(&mut buffer, 20_000).unwrap(), 0);
        assert_eq!(reader.read_exact_at(&mut buffer, 12_000).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert!(reader.write_at(&[b"x"], 0).is_err(), "opened for reading");

        let again = disk.open_write(&path).unwrap();
        again.truncate(11).unwrap();
        again.start_writeback(0, 11);
        again.sync_data(POINT).unwrap();
        assert_eq!(reader.len().unwrap(), 11);
        assert_eq!(disk.open(&dir.join("absent")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.open_write(&dir.join("absent")).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn directories_hold_their_names() {
    on_both(|disk, dir| {
        let deep = dir.join("a/b/c");
        assert_eq!(disk.create_new(&deep.join("x")).unwrap_err().kind(), ErrorKind::NotFound);
        disk.create_dir_all(&deep, POINT).unwrap();
        disk.create_dir_all(&deep, POINT).unwrap();
        for name in ["2", "1", "3"] {
            disk.create_new(&deep.join(name)).unwrap();
        }
        disk.remove(&deep.join("2")).unwrap();
        assert_eq!(disk.remove(&deep.join("2")).unwrap_err().kind(), ErrorKind::NotFound);
        disk.sync_dir(&deep, POINT).unwrap();
        assert_eq!(disk.list(&deep).unwrap(), ["1", "3"]);
        assert_eq!(disk.list(&dir.join("a")).unwrap(), ["b"]);
        assert_eq!(disk.list(&dir.join("z")).unwrap_err().kind(), ErrorKind::NotFound);
        let space = disk.free_space(&deep).unwrap();
        assert!(space.available > 0 && space.available <= space.total);
    });
}

#[test]
fn a_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let lock = DirLock::acquire(dir.path()).unwrap();
    assert!(lock.path().starts_with(dir.path()));
    let second = DirLock::acquire(dir.path()).unwrap_err();
    assert!(
        matches!(&second, LockError::Held { holder: Some(pid), .. } if *pid == std::process::id()),
        "{second}"
    );
    drop(lock);
    drop(DirLock::acquire(dir.path()).unwrap());
    assert!(matches!(DirLock::acquire(&dir.path().join("absent")), Err(LockError::Io { .. })));
}

/// A simulated disk with a durable, empty file.
fn sim_with_file() -> (std::sync::Arc<SimulatedDisk>, PathBuf, storage_config::disk::DiskFile) {
    let sim = SimulatedDisk::new(1);
    let path = PathBuf::from("/file");
    let file = sim.disk().create_new(&path).unwrap();
    sim.disk().sync_dir(Path::new("/"), POINT).unwrap();
    (sim, path, file)
}

#[test]
fn a_failed_sync_is_never_made_good_by_a_later_one() {
    for seed in 0..50 {
        let (sim, path, file) = sim_with_file();
        file.write_at(&[b"one"], 0).unwrap();
        file.sync_data(POINT).unwrap();
        file.write_at(&[b"two"], 3).unwrap();
        sim.fail_call_of(Operation::SyncData, 2, Fault::Eio);
        assert!(file.sync_data(POINT).is_err());
        file.sync_data(POINT).unwrap();
        assert_eq!(sim.contents(&path).unwrap(), b"onetwo", "it stays readable");
        assert_eq!(sim.power_loss(seed).contents(&path).unwrap(), b"one", "until the power goes");
    }
}

#[test]
fn handles_of_a_dead_process_fail() {
    let (sim, path, file) = sim_with_file();
    file.write_at(&[b"in the cache"], 0).unwrap();
    let next = sim.process_kill();
    assert!(file.write_at(&[b"x"], 0).is_err() && file.sync_data(POINT).is_err() && file.len().is_err());
    assert!(sim.disk().open(&path).is_err());
    let file = next.disk().open_write(&path).unwrap();
    assert_eq!(next.contents(&path).unwrap(), b"in the cache");
    file.sync_data(POINT).unwrap();
    let after = next.power_loss(7);
    assert!(file.read_at(&mut [0], 0).is_err() && next.disk().open(&path).is_err());
    assert_eq!(after.contents(&path).unwrap(), b"in the cache");
}

#[test]
fn names_that_were_not_synced_may_be_lost_and_may_survive() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..100 {
        let sim = SimulatedDisk::new(1);
        let disk = sim.disk();
        disk.create_dir_all(Path::new("/dir"), POINT).unwrap();
        let file = disk.create_new(Path::new("/dir/file")).unwrap();
        file.write_at(&[b"x"], 0).unwrap();
        file.sync_data(POINT).unwrap();
        match sim.power_loss(seed).files().len() {
            0 => lost += 1,
            _ => kept += 1,
        }
    }
    assert!(lost > 10 && kept > 10, "{lost} lost, {kept} kept");
}

#[test]
fn faults_come_at_the_call_they_were_set_for() {
    let (sim, path, file) = sim_with_file();
    let writes = sim.count(Operation::Write);
    sim.fail_call_of(Operation::Write, writes + 2, Fault::ShortWrite);
    file.write_at(&[b"abcd"], 0).unwrap();
    assert_eq!(file.write_at(&[b"ef", b"gh"], 4).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(sim.contents(&path).unwrap(), b"abcdef");
    file.write_at(&[b"gh"], 6).unwrap();
    sim.fail_call(sim.calls() + 1, Fault::Eio);
    assert!(file.len().is_err());
    assert_eq!(file.len().unwrap(), 8);
    sim.fail_from(Operation::Write, 1, Fault::Enospc);
    for _ in 0..3 {
        assert_eq!(file.write_at(&[b"x"], 0).unwrap_err().kind(), ErrorKind::StorageFull);
    }
    sim.clear_faults();
    file.write_at(&[b"x"], 0).unwrap();
    assert_eq!(sim.syncs(POINT), 1);
}

#[test]
fn capacity_limits_all_files_together_and_comes_back_by_removal() {
    let (sim, path, file) = sim_with_file();
    sim.set_capacity(Some(10));
    file.write_at(&[b"12345678"], 0).unwrap();
    let other = sim.disk().create_new(Path::new("/other")).unwrap();
    assert_eq!(other.write_at(&[b"12345"], 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(other.len().unwrap(), 2);
    file.write_at(&[b"again"], 0).unwrap();
    assert_eq!(sim.disk().free_space(Path::new("/")).unwrap().available, 0);
    sim.disk().remove(&path).unwrap();
    assert_eq!(sim.disk().free_space(Path::new("/")).unwrap().available, 8);
    other.write_at(&[b"12345"], 0).unwrap();
}

#[test]
fn many_threads_may_use_one_disk() {
    let sim = SimulatedDisk::new(1);
    std::thread::scope(|scope| {
        for n in 0..8u8 {
            let disk = sim.disk();
            scope.spawn(move || {
                let file = disk.create_new(&PathBuf::from(format!("/{n}"))).unwrap();
                for at in 0..200 {
                    file.write_at(&[&[n; 100]], at * 100).unwrap();
                    file.sync_data(POINT).unwrap();
                }
                disk.sync_dir(Path::new("/"), POINT).unwrap();
            });
        }
    });
    let after = sim.power_loss(3);
    for n in 0..8u8 {
        assert_eq!(after.contents(&PathBuf::from(format!("/{n}"))).unwrap(), vec![n; 20_000]);
    }
}
