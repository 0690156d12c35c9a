//! The Unix socket where commands ask: made so that nobody else may open it, and taken over from a process that is no more.
//!
//! The socket is bound under a name of its own, closed to others, and then renamed: at its path there is never one that is open to all, and never a
//! moment without one when an old one is replaced.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::config::ControlSocketPath;

/// Where it is unless the configuration says something else.
pub const USUAL_SOCKET: &str = "/run/trunkline/trunkline.sock";
/// Owner and group, nobody else.
const MODE: u32 = 0o660;

/// A bound socket. Its file goes with it, unless somebody else has taken the place.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl ControlSocket {
    /// Bind as the configuration says. At the usual place it is no error if that can't be: the log says why there is none.
    ///
    /// # Errors
    /// The configured path cannot be had, as a sentence for the operator.
    pub fn bind(path: &ControlSocketPath) -> Result<Option<ControlSocket>, String> {
        match path {
            ControlSocketPath::Off => Ok(None),
            ControlSocketPath::At(path) => ControlSocket::bind_at(path).map(Some),
            ControlSocketPath::Usual => {
                let path = Path::new(USUAL_SOCKET);
                if let Some(folder) = path.parent() {
                    // If it cannot be made, binding says why.
                    let _ = fs::create_dir(folder);
                }
                match ControlSocket::bind_at(path) {
                    Ok(socket) => Ok(Some(socket)),
                    Err(reason) => {
                        tracing::info!("no Unix socket for commands (http.socket): {reason}");
                        Ok(None)
                    }
                }
            }
        }
    }

    fn bind_at(path: &Path) -> Result<ControlSocket, String> {
        let failed = |error: io::Error| format!("cannot listen at {}: {error}", path.display());
        match UnixStream::connect(path) {
            Ok(_) => return Err(format!("{}: another process is listening there", path.display())),
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            // Somebody else's, perhaps alive.
            Err(error) => return Err(failed(error)),
        }
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(format!("{}: there is a file that is not a socket", path.display()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut own = path.as_os_str().to_owned();
        own.push(format!(".{}", std::process::id()));
        let own = PathBuf::from(own);
        // Left behind by a process of the same number that was killed at the wrong moment.
        let _ = fs::remove_file(&own);
        let listener = UnixListener::bind(&own).map_err(failed)?;
        let placed = listener
            .set_nonblocking(true)
            .and_then(|()| fs::set_permissions(&own, Permissions::from_mode(MODE)))
            .and_then(|()| fs::symlink_metadata(&own).map(|metadata| metadata.ino()))
            .and_then(|inode| fs::rename(&own, path).map(|()| inode));
        match placed {
            Ok(inode) => Ok(ControlSocket { listener, path: path.to_owned(), inode }),
            Err(error) => {
                let _ = fs::remove_file(&own);
                Err(failed(error))
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For a runtime: call it there, and keep this one as long as it is served.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("trunkline-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_owner_and_group_may_open_it_and_it_goes_with_its_process() {
        let folder = folder("control-mode");
        let path = folder.join("t.sock");
        let socket = ControlSocket::bind(&ControlSocketPath::At(path.clone())).unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no other file is left");
        drop(socket);
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_socket_that_nobody_listens_at_is_taken_over_and_a_live_one_and_a_file_are_not() {
        let folder = folder("control-stale");
        let path = folder.join("t.sock");
        let at = ControlSocketPath::At(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as a killed process leaves it");
        let first = ControlSocket::bind(&at).unwrap().unwrap();
        let error = ControlSocket::bind(&at).unwrap_err();
        assert!(error.contains("another process is listening there"), "{error}");
        // Who was replaced by force takes nothing away from who came after.
        fs::remove_file(&path).unwrap();
        let second = ControlSocket::bind(&at).unwrap().unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        drop(second);
        fs::write(&path, "not a socket").unwrap();
        let error = ControlSocket::bind(&at).unwrap_err();
        assert!(error.contains("not a socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"not a socket");
        assert!(ControlSocket::bind(&ControlSocketPath::Off).unwrap().is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
