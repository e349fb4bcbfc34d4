//! Checks that only root can change a program: every folder on the way to it, every link and the program itself belongs
//! to root and is not writable for others.

use crate::RunError;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links that are followed, as many as the kernel follows.
const MAX_LINKS: usize = 40;
const WRITABLE_FOR_OTHERS: u32 = 0o022;

/// Resolves the links of a program below `root`, which is `/` outside tests, and checks every step. Only root can change
/// the result afterwards.
///
/// # Errors
/// [`RunError::Missing`] if it does not exist, [`RunError::Untrusted`] if users other than root can change it or it is
/// not a file.
pub fn trusted(root: &Path, program: &Path) -> Result<PathBuf, RunError> {
    let mut steps: VecDeque<OsString> = steps(program);
    let mut path = root.to_owned();
    let mut found = root.symlink_metadata()?;
    check(&found)?;
    let mut links = 0;
    while let Some(step) = steps.pop_front() {
        if step == ".." {
            if path != root {
                path.pop();
            }
            continue;
        }
        let next = path.join(&step);
        found = next.symlink_metadata()?;
        if !found.is_symlink() {
            check(&found)?;
            path = next;
            continue;
        }
        links += 1;
        // The mode of a link says nothing: its owner and its folder decide who can replace it.
        if found.uid() != 0 || links > MAX_LINKS {
            return Err(RunError::Untrusted);
        }
        let target = next.read_link()?;
        if target.is_absolute() {
            path = root.to_owned();
        }
        for step in self::steps(&target).into_iter().rev() {
            steps.push_front(step);
        }
    }
    if path.symlink_metadata()?.is_file() { Ok(path) } else { Err(RunError::Untrusted) }
}

fn steps(path: &Path) -> VecDeque<OsString> {
    let step = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}

fn check(found: &Metadata) -> Result<(), RunError> {
    let trusted = found.uid() == 0 && found.mode() & WRITABLE_FOR_OTHERS == 0;
    if trusted { Ok(()) } else { Err(RunError::Untrusted) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const REASON: &str = "the tests run as root";

    /// `opt/product/tool` in a folder of root's.
    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("opt/product")).unwrap();
        let tool = tree.path().join("opt/product/tool");
        std::fs::write(&tool, "").unwrap();
        for path in ["", "opt", "opt/product", "opt/product/tool"] {
            mode(&tree, path, 0o755);
        }
        tree
    }

    fn mode(tree: &tempfile::TempDir, path: &str, mode: u32) {
        std::fs::set_permissions(tree.path().join(path), Permissions::from_mode(mode)).unwrap();
    }

    fn of(tree: &tempfile::TempDir, program: &str) -> Result<PathBuf, RunError> {
        trusted(tree.path(), Path::new(program))
    }

    #[test]
    fn accepts_what_only_root_can_change() {
        let tree = tree();
        let tool = Ok(tree.path().join("opt/product/tool"));
        assert_eq!(of(&tree, "/opt/product/tool"), tool);
        symlink("/opt/product", tree.path().join("link")).unwrap();
        symlink("../link/./tool", tree.path().join("opt/relative")).unwrap();
        assert_eq!(of(&tree, "/opt/relative"), tool);
        assert_eq!(of(&tree, "/opt/none"), Err(RunError::Missing));
        assert_eq!(of(&tree, "/opt"), Err(RunError::Untrusted), "a folder is not a program");
        // As below the real root: `..` leads no further up.
        symlink("../../../../opt/product/tool", tree.path().join("up")).unwrap();
        assert_eq!(of(&tree, "/up"), tool);
    }

    #[test]
    fn refuses_what_others_can_write() {
        for path in ["", "opt", "opt/product", "opt/product/tool"] {
            for bits in [0o775, 0o757, 0o1777] {
                let tree = tree();
                mode(&tree, path, bits);
                assert_eq!(of(&tree, "/opt/product/tool"), Err(RunError::Untrusted), "{path} {bits:o}");
            }
        }
    }

    #[test]
    fn refuses_what_others_own() {
        for path in ["", "opt", "opt/product", "opt/product/tool"] {
            let tree = tree();
            chown(tree.path().join(path), Some(65534), None).expect(REASON);
            assert_eq!(of(&tree, "/opt/product/tool"), Err(RunError::Untrusted), "{path}");
        }
    }

    #[test]
    fn refuses_links_that_others_control() {
        // A link of another user's, in a folder of root's.
        let tree = tree();
        symlink("product/tool", tree.path().join("opt/link")).unwrap();
        std::os::unix::fs::lchown(tree.path().join("opt/link"), Some(65534), None).expect(REASON);
        assert_eq!(of(&tree, "/opt/link"), Err(RunError::Untrusted));
        // A link of root's into a folder that others write.
        std::fs::create_dir(tree.path().join("shared")).unwrap();
        std::fs::write(tree.path().join("shared/tool"), "").unwrap();
        symlink("/shared/tool", tree.path().join("opt/shared")).unwrap();
        mode(&tree, "shared", 0o1777);
        assert_eq!(of(&tree, "/opt/shared"), Err(RunError::Untrusted));
        symlink("loop", tree.path().join("loop")).unwrap();
        assert_eq!(of(&tree, "/loop"), Err(RunError::Untrusted));
    }
}
