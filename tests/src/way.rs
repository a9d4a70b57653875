//! A second listener in the Confluence container that forwards to any port of its loopback, as a careless sidecar would.

use anyhow::Result;

use crate::wiki::in_confluence;

/// Perl is in every Debian (`perl-base` is essential).
const FORWARD: &str = r#"
use IO::Socket::INET; use IO::Select; use POSIX;
my ($from, $to, $pid) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => $from, Listen => 16, ReuseAddr => 1) or die $!;
exit 0 if fork;
POSIX::setsid();
open STDIN, "<", "/dev/null"; open STDOUT, ">", "/dev/null"; open STDERR, ">", "/dev/null";
open my $file, ">", $pid or exit 1; print $file $$; close $file;
$SIG{CHLD} = "IGNORE";
while (my $client = $listener->accept) {
  next if fork;
  close $listener;
  my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $to) or exit 1;
  my $both = IO::Select->new($client, $server);
  while (1) {
    for my $one ($both->can_read) {
      sysread($one, my $data, 65536) or exit 0;
      syswrite($one == $client ? $server : $client, $data);
    }
  }
}
"#;

/// Opens port `from` of the first pod on all addresses; what connects reaches `to` on its loopback.
///
/// # Errors
/// When the port is taken.
pub async fn open(from: u16, to: u16) -> Result<()> {
    // Of a run that was broken off.
    let _ = close(from).await;
    in_confluence(&["perl", "-e", FORWARD, &from.to_string(), &to.to_string(), &pid_file(from)])
        .await
        .map(drop)
}

/// Closes what [`open`] opened.
///
/// # Errors
/// When it is not open.
pub async fn close(from: u16) -> Result<()> {
    in_confluence(&["sh", "-c", &format!("kill $(cat {0}) && rm {0}", pid_file(from))]).await.map(drop)
}

fn pid_file(port: u16) -> String {
    format!("/tmp/way-{port}.pid")
}
