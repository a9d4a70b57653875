//! A port that leads to a Unix socket, for tests that talk to Tomcat by TCP themselves. Threads, as some have no runtime.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
};

/// Its port.
pub(crate) fn to(socket: &Path) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket: PathBuf = socket.into();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let socket = socket.clone();
            thread::spawn(move || relay(&stream, &socket));
        }
    });
    port
}

fn relay(client: &TcpStream, socket: &Path) -> io::Result<()> {
    let tomcat = UnixStream::connect(socket)?;
    let (mut from_client, mut to_tomcat) = (client.try_clone()?, tomcat.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_tomcat);
        let _ = to_tomcat.shutdown(Shutdown::Write);
        copied
    });
    io::copy(&mut &tomcat, &mut &*client)?;
    client.shutdown(Shutdown::Both)
}
