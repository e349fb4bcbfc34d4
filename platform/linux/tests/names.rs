//! Names of a machine, in recorded trees.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod tests {
    use vitalsign_linux::{Root, names};

    fn tree(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = Root::at(folder.path());
        (folder, root)
    }

    fn asset_tag(chassis: Option<&[u8]>, board: Option<&[u8]>) -> Option<String> {
        let files =
            [("sys/class/dmi/id/chassis_asset_tag", chassis), ("sys/class/dmi/id/board_asset_tag", board)];
        let files: Vec<_> = files.into_iter().filter_map(|(path, tag)| Some((path, tag?))).collect();
        let (_folder, root) = tree(&files);
        names::asset_tag(&root).map(String::from)
    }

    #[test]
    fn asset_tag_of_the_chassis_comes_first() {
        let (chassis, board): (Option<&[u8]>, Option<&[u8]>) = (Some(b"IT-004711\n"), Some(b"4712\n"));
        assert_eq!(asset_tag(chassis, board).as_deref(), Some("IT-004711"));
        assert_eq!(asset_tag(None, board).as_deref(), Some("4712"));
        assert_eq!(asset_tag(Some(b"No Asset Tag\n"), board).as_deref(), Some("4712"));
        assert_eq!(
            asset_tag(Some(b"a\xe2\x80\xaeb\n"), board).as_deref(),
            Some("4712"),
            "a hidden character"
        );
        assert_eq!(asset_tag(None, None), None);
    }

    #[test]
    fn placeholders_of_makers_are_not_asset_tags() {
        for placeholder in [
            "",
            "   ",
            "Default string",
            "To Be Filled By O.E.M.",
            "To be filled by O.E.M.",
            "Fill By OEM",
            "No Asset Tag",
            "No Asset Information",
            "Not Specified",
            "Not Available",
            "None",
            "NONE",
            "N/A",
            "Unknown",
            "Asset-1234567890",
            "Asset Tag",
            "Asset Tag:",
            "Chassis Asset Tag",
            "Base Board Asset Tag#",
            "ATN12345678901234567",
            "0123456789",
            "0000000000",
            "0",
            "00-00-00",
            "0x00000000",
            "FFFFFFFF",
            "XXXXXXX",
            "........",
            "*",
            "7783-7084-3265-9085-8269-3286-77",
            "Amazon EC2",
        ] {
            assert_eq!(asset_tag(Some(placeholder.as_bytes()), None), None, "{placeholder:?}");
        }
        // Real ones may look like them.
        for tag in ["4711", "7", "00042", "N/A-7", "FX-100", "1234567", "None-such 3", "ff0"] {
            assert_eq!(asset_tag(Some(tag.as_bytes()), None).as_deref(), Some(tag));
        }
    }

    #[test]
    fn asset_tag_that_is_not_text_is_left_out() {
        for tag in [&b"\x01\x02"[..], b"4711\xff", &[b'x'; 65], &b"a\x1b[2Jb"[..]] {
            assert_eq!(asset_tag(Some(tag), None), None, "{tag:?}");
        }
    }

    #[test]
    fn host_name_is_the_kernels() {
        let kernel = "proc/sys/kernel/hostname";
        for (content, name) in [
            (&b"ward3-pc12\n"[..], Some("ward3-pc12")),
            (b"ward3-pc12.hospital.example\n", Some("ward3-pc12.hospital.example")),
            (b"localhost\n", None),
            (b"localhost.localdomain\n", None),
            (b"(none)\n", None),
            (b"\n", None),
            (b"a\xe2\x80\xaeb\n", None),
            (b"ward\xff\n", None),
        ] {
            let (_folder, root) = tree(&[(kernel, content)]);
            assert_eq!(names::host_name(&root).map(String::from).as_deref(), name, "{content:?}");
        }
        // The file of the next start does not count.
        let (_folder, root) = tree(&[("etc/hostname", b"ward3-pc12\n")]);
        assert_eq!(names::host_name(&root), None);
    }
}
