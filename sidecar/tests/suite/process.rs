//! The program itself: how it ends, what it takes of memory, what it logs.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    World, eventually,
    http::{exchange, parse, read_head},
    port, request,
    wiki::Lie,
};

/// A sidecar of its own in front of a world's Confluence, with the world's configuration; it ends when dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) data: std::net::SocketAddr,
}

impl Program {
    /// Runs it until it can check tokens and name users, with its log in this file.
    async fn start(world: &World, log: &str, to: Stdio) -> Self {
        Self::start_in(world, log, to, &[]).await
    }

    /// With these variables beside.
    pub(crate) async fn start_in(world: &World, log: &str, to: Stdio, variables: &[(&str, &str)]) -> Self {
        let (data, admin) = (port::free(), port::free());
        let pod =
            serde_json::json!({"listenPort": data, "adminPort": admin, "upstreamPort": world.wiki.port()});
        let child = Command::new(env!("CARGO_BIN_EXE_restward-sidecar"))
            .env("RESTWARD_POD", pod.to_string())
            .env("RESTWARD_CONFIG_DIR", world.directory())
            .env("RESTWARD_LOG", log)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(to)
            .spawn()
            .unwrap();
        let local = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let this = Self { child, data: local(data) };
        eventually("the program is ready to work", || async {
            if TcpStream::connect(local(admin)).await.is_err() {
                return false;
            }
            let metrics = exchange(local(admin), &request("GET", "/metrics", &[], "")).await.text();
            let wanted = ["restward_sidecar_keys_usable 1", "restward_sidecar_upstream_trusted 1"];
            wanted.iter().all(|wanted| metrics.lines().any(|line| line == *wanted))
        })
        .await;
        this
    }

    pub(crate) fn terminate(&self) {
        assert!(
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// The most memory that it ever had, in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// As another process of its user sees it, which is not to read its keys by `/proc/<pid>/root`.
#[tokio::test]
async fn what_is_its_own_is_shown_to_nobody_of_its_user() {
    const USER: u32 = 65532;
    let directory = std::env::temp_dir().join(format!("restward-hidden-{}", port::free()));
    fs::create_dir(&directory).unwrap();
    let copy = directory.join("restward-sidecar");
    fs::copy(env!("CARGO_BIN_EXE_restward-sidecar"), &copy).unwrap();
    for path in [&directory, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let pod = serde_json::json!({"listenPort": port::free(), "adminPort": port::free(), "upstreamPort": port::free()});
    let mut command = Command::new(&copy);
    command.env("RESTWARD_POD", pod.to_string()).env("RESTWARD_CONFIG_DIR", &directory);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        command.uid(USER).gid(USER);
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut program = Program { child, data: std::net::SocketAddr::from(([127, 0, 0, 1], port::free())) };
    let id = program.child.id();
    let secrets = ["environ", "root", "mem", "maps"].map(|name| format!("/proc/{id}/{name}"));
    let is_hidden =
        || secrets.iter().all(|path| fs::symlink_metadata(path).is_ok_and(|file| file.uid() == 0));
    eventually("its files in /proc are root's", || async { is_hidden() }).await;
    assert!(program.child.try_wait().unwrap().is_none(), "it has ended");
    fs::remove_dir_all(&directory).unwrap();
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn told_to_end_it_answers_what_is_in_flight_and_nobody_new() {
    let world = World::new().await;
    let mut program = Program::start(&world, "info", Stdio::null()).await;
    world.wiki.behave(|wiki| wiki.is_silent = true);
    let asked = format!("Bearer {}", world.idp.token("bob"));
    let mut in_flight = TcpStream::connect(program.data).await.unwrap();
    in_flight.write_all(&request("GET", "/rest/slow", &[("Authorization", &asked)], "")).await.unwrap();
    eventually("the user was asked for", || async { world.wiki.checks_of("bob") == 1 }).await;

    program.terminate();
    eventually("nobody listens", || async { TcpStream::connect(program.data).await.is_err() }).await;
    assert!(program.child.try_wait().unwrap().is_none(), "it ended with a request in flight");
    world.wiki.behave(|wiki| wiki.is_silent = false);
    let mut answer = Vec::new();
    in_flight.read_to_end(&mut answer).await.unwrap();
    let reply = parse(&answer);
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    let mut ended = None;
    eventually("it has ended", || {
        ended = program.child.try_wait().unwrap();
        let has_ended = ended.is_some();
        async move { has_ended }
    })
    .await;
    assert!(ended.unwrap().success());
}

#[tokio::test]
async fn large_bodies_take_no_memory() {
    const MUCH: usize = 256 * 1024 * 1024;
    let world = World::new().await;
    let program = Program::start(&world, "info", Stdio::null()).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
    world.wiki.behave(|wiki| {
        wiki.lie = Lie { bytes: head.into(), endlessly: vec![b'x'; 64 * 1024], hangs_up: true };
    });
    let before = program.peak();

    let mut download = TcpStream::connect(program.data).await.unwrap();
    download.write_all(&request("GET", "/display/lie", &[], "")).await.unwrap();
    let head = read_head(&mut download).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (mut block, mut taken) = (vec![0; 64 * 1024], 0);
    while taken < MUCH {
        let count = download.read(&mut block).await.unwrap();
        assert_ne!(count, 0, "it ended after {taken} bytes");
        taken += count;
    }
    drop(download);

    let mut upload = TcpStream::connect(program.data).await.unwrap();
    let head = format!(
        "PUT /display/x HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\nContent-Length: {MUCH}\r\n\r\n"
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..MUCH / block.len() {
        upload.write_all(&block).await.unwrap();
    }
    assert!(read_head(&mut upload).await.starts_with("HTTP/1.1 200"));
    assert_eq!(world.wiki.last().body.len(), MUCH);

    let grown = program.peak() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more for bodies of 256 MiB");
}

/// The same as for the suite's own log, with the subscriber that the program installs.
#[tokio::test]
async fn its_log_holds_no_secret_at_any_level() {
    let world = World::new().await;
    let path = world.directory().join("log");
    let program = Program::start(&world, "trace", File::create(&path).unwrap().into()).await;
    let token = world.idp.token("alice");
    let password = "bGVha2VkLXVzZXI6bGVha2VkLXBhc3N3b3Jk";
    for (authorization, status) in [(format!("Bearer {token}"), 200), (format!("Basic {password}"), 401)] {
        let headers = [("Authorization", authorization.as_str()), ("Cookie", "JSESSIONID=leaked-session")];
        for target in ["/rest/api/content?secret=leaked-value", "/display/x?os_password=leaked-parameter"] {
            let reply = exchange(program.data, &request("GET", target, &headers, "")).await;
            assert_eq!(reply.status, status, "{target}");
        }
    }
    // One that breaks off, and one that is not HTTP.
    for bytes in [
        format!(
            "PUT /rest/x HTTP/1.1\r\nHost: wiki\r\nAuthorization: Bearer {token}\r\nContent-Length: 99\r\n\r\nleaked-body"
        ),
        format!("\0 leaked-line\r\nAuthorization: Bearer {token}\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(program.data).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ =
            tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.contains("configuration in force") && log.contains("TRACE"), "everything is logged");
    let secrets = [
        token.rsplit('.').next().unwrap(),
        token.split('.').nth(1).unwrap(),
        password,
        "leaked-session",
        "leaked-value",
        "leaked-parameter",
        "leaked-body",
        "leaked-line",
    ];
    let shown: Vec<_> = secrets.iter().filter(|secret| log.contains(**secret)).collect();
    assert!(shown.is_empty(), "{shown:?}");
}
