//! What the database's folder lies on. SQLite's log needs memory that processes share and locks that all of them see.
//! Network file systems lack one or both; what FUSE offers depends on the program behind it.

use std::path::Path;

use social_channel_runtime::error::{Error, ErrorKind, Result};

use social_channel_runtime::model::Finding;

use crate::store::doubtful;

/// What a file system is to SQLite.
#[derive(Debug, PartialEq, Eq)]
enum Disk {
    Good,
    /// Data is lost there, or nothing can be written.
    Network(&'static str),
    /// FUSE, with the type of the mount, if it is known.
    Fuse(String),
}

/// # Errors
/// `Misconfigured` for a folder on a network file system.
pub(super) fn refuse_what_loses_data(path: &Path) -> Result<()> {
    let folder = folder(path);
    match look_at(folder) {
        Disk::Network(name) => Err(Error::new(
            ErrorKind::Misconfigured,
            format!("{} lies on a network file system ({name}), where SQLite loses data", folder.display()),
        )
        .with_remedy("put the database on a local disk")),
        Disk::Good | Disk::Fuse(_) => Ok(()),
    }
}

/// Why the database may not be safe where it lies.
pub(crate) fn doubt(path: &Path) -> Option<Finding> {
    match look_at(folder(path)) {
        Disk::Fuse(name) => Some(doubtful(
            format!(
                "The database lies on {name}, where it depends on another program whether processes share memory and locks."
            ),
            "Put it on a local disk. If it must stay there, let only this machine open it, and try a stop without warning before relying on it.",
        )),
        Disk::Good | Disk::Network(_) => None,
    }
}

/// Whether a folder lies where other machines may see it, too.
pub(crate) fn is_shared(folder: &Path) -> bool {
    !matches!(look_at(folder), Disk::Good)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What tests say of a folder by a file in it, because they have no other disk.
#[cfg(test)]
const SAID: &str = "file-system-of-a-test";

#[cfg(target_os = "linux")]
fn look_at(folder: &Path) -> Disk {
    #[cfg(test)]
    if let Ok(said) = std::fs::read_to_string(folder.join(SAID)) {
        let (magic, kind) = said.split_once(' ').unwrap();
        return judge(u32::from_str_radix(magic, 16).unwrap(), || Some(kind.to_owned()));
    }
    use std::os::unix::fs::MetadataExt as _;

    let Ok(facts) = rustix::fs::statfs(folder) else { return Disk::Good };
    let mount = || {
        let device = std::fs::metadata(folder).ok()?.dev();
        let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        mounted(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &device).map(str::to_owned)
    };
    // A C long: its size and sign differ between architectures.
    #[allow(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        clippy::cast_possible_truncation,
        reason = "compared by its 32 bits"
    )]
    let magic = facts.f_type as u32;
    judge(magic, mount)
}

#[cfg(not(target_os = "linux"))]
fn look_at(_folder: &Path) -> Disk {
    Disk::Good
}

/// By the number of the file system (`linux/magic.h`); of FUSE, by the type of the mount.
#[cfg(target_os = "linux")]
fn judge(magic: u32, mount: impl FnOnce() -> Option<String>) -> Disk {
    const FUSE: u32 = 0x6573_5546;
    const NETWORK: [(u32, &str); 7] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFE53_4D42, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0x5346_414F, "AFS"),
        (0x00C3_6400, "Ceph"),
        // Shared folders of virtual machines.
        (0x0102_1997, "9p"),
    ];
    // FUSE's subtypes of programs that keep the files on another machine.
    const REMOTE: [&str; 12] = [
        "sshfs",
        "s3fs",
        "gcsfuse",
        "goofys",
        "mount-s3",
        "rclone",
        "glusterfs",
        "ceph-fuse",
        "juicefs",
        "davfs",
        "smbnetfs",
        "curlftpfs",
    ];
    if let Some((_, name)) = NETWORK.iter().find(|(known, _)| *known == magic) {
        return Disk::Network(name);
    }
    if magic != FUSE {
        return Disk::Good;
    }
    let kind = mount();
    let program = kind.as_deref().and_then(|kind| kind.strip_prefix("fuse."));
    match REMOTE.iter().find(|name| Some(**name) == program) {
        Some(name) => Disk::Network(name),
        // virtiofs has the number of FUSE.
        None => Disk::Fuse(match kind {
            Some(kind) if kind != "fuse" => format!("{kind} (FUSE)"),
            _ => "FUSE".to_owned(),
        }),
    }
}

/// The type of the mount of a device, `MAJOR:MINOR`, by `proc_pid_mountinfo(5)`.
#[cfg(target_os = "linux")]
fn mounted<'a>(mountinfo: &'a str, device: &str) -> Option<&'a str> {
    mountinfo.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        (mount.split(' ').nth(2) == Some(device)).then(|| source.split(' ').next())?
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const MOUNTS: &str = "29 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                          40 29 0:51 / /srv/a\\040-\\040b rw,nosuid - fuse.sshfs me@host:/data rw,user_id=0\n\
                          41 29 0:52 / /mnt/shared rw - virtiofs tag rw\n\
                          42 29 0:53 / /secret rw - fuse.gocryptfs /x rw\n";

    #[test]
    fn file_systems_of_other_machines_are_refused_and_fuse_is_doubted() {
        let of = |magic: u32, device: &str| judge(magic, || mounted(MOUNTS, device).map(str::to_owned));
        assert_eq!(of(0xEF53, "254:0"), Disk::Good);
        assert_eq!(of(0x6969, "0:1"), Disk::Network("NFS"));
        assert_eq!(of(0x0102_1997, "0:1"), Disk::Network("9p"));
        assert_eq!(of(0x6573_5546, "0:51"), Disk::Network("sshfs"));
        assert_eq!(of(0x6573_5546, "0:52"), Disk::Fuse("virtiofs (FUSE)".to_owned()));
        assert_eq!(of(0x6573_5546, "0:53"), Disk::Fuse("fuse.gocryptfs (FUSE)".to_owned()));
        assert_eq!(of(0x6573_5546, "0:99"), Disk::Fuse("FUSE".to_owned()));
    }

    #[test]
    fn the_disk_of_these_tests_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        refuse_what_loses_data(&path).unwrap();
        assert!(doubt(&path).is_none());
    }
}
