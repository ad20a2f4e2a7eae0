//! A key on the web: whether a web server may serve the folder that the master key or the database lies in.

use std::path::Path;

use social_channel_runtime::model::{Finding, Severity};

/// Files that a web server's folder has.
const MARKS: [&str; 2] = ["index.php", ".htaccess"];

/// Why the folder of `file` may be served. It cannot be known, so this is only a warning.
pub(crate) fn served(file: &Path) -> Option<Finding> {
    // Links are followed, as a web server does; the file itself may not be there yet.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let (above, mark) = folder.ancestors().find_map(|above| {
        let mark = MARKS.iter().find(|mark| above.join(mark).exists())?;
        Some((above, mark))
    })?;
    let message = format!(
        "{} is below {}, which looks like a web server's folder (it holds {mark}): it may serve the master key and the database, \
         and with them every account.",
        folder.display(),
        above.display()
    );
    Some(Finding {
        severity: Severity::Warning,
        subject: "key".to_owned(),
        message,
        remedy: Some(
            "Move the data and the key to a folder outside, such as /var/lib/social-channel.".to_owned(),
        ),
        code: None,
        details: Default::default(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_below_a_web_servers_folder_is_doubted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("site/data")).unwrap();
        fs::create_dir(root.join("data")).unwrap();
        assert_eq!(served(&root.join("site/data/master.key")), None);
        fs::write(root.join("site/index.php"), "").unwrap();
        let why = served(&root.join("site/data/master.key")).unwrap().message;
        assert!(why.contains("it holds index.php"), "{why}");
        assert!(served(&root.join("site/new/master.key")).is_some(), "a folder that is still to be made");
        assert_eq!(served(&root.join("data/master.key")), None);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("site/data"), root.join("linked")).unwrap();
            assert!(served(&root.join("linked/master.key")).is_some());
        }
    }
}
