//! Finds the service's account in the password files (passwd(5)), without the C library's name services, which load
//! other libraries and may ask the network.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// The second is for image-based systems, whose accounts of the system are in the image.
const FILES: [&str; 2] = ["/etc/passwd", "/usr/lib/passwd"];
/// The most that is read of a file.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Returns the user ID of a local account.
pub(crate) fn uid(account: &str) -> Option<u32> {
    FILES.iter().find_map(|path| find(File::open(path).ok()?, account))
}

fn find(file: impl Read, account: &str) -> Option<u32> {
    BufReader::new(file.take(MAX_FILE)).split(b'\n').map_while(Result::ok).find_map(|line| {
        let line = String::from_utf8(line).ok()?;
        let mut fields = line.split(':');
        (fields.next()? == account).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_account_only() {
        let file = b"root:x:0:0:root:/root:/bin/bash\n\xff:x:3::\nvitalsign-old:x:7:7::/:\nnot vitalsign:x:8:8::/:\n\
            vitalsign:x:991:991:Vitalsign:/var/lib/vitalsign:/usr/sbin/nologin\nvitalsign:x:0:0::/:\n";
        assert_eq!(find(file.as_slice(), "vitalsign"), Some(991));
        assert_eq!(find(file.as_slice(), "vitalsig"), None);
        for damaged in
            ["vitalsign", "vitalsign:x", "vitalsign:x:", "vitalsign:x:-1:", "vitalsign:x:4294967296:", ":::"]
        {
            assert_eq!(find(damaged.as_bytes(), "vitalsign"), None, "{damaged}");
        }
        assert_eq!(find(b"".as_slice(), ""), None);
    }
}
