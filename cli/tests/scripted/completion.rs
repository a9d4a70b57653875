//! `completion`, as kubectl completes its plugins: by a script that it finds in PATH, whose last line says what else may be completed.

use std::os::unix::fs::symlink;

use super::*;

async fn says(home: &Home, program: &str, words: &[&str]) -> String {
    let path = format!("{}:{}", home.0.display(), std::env::var("PATH").unwrap());
    let output =
        Command::new(program).args(words).current_dir(&home.0).env("PATH", path).output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn kubectl_is_told_commands_values_and_where_files_belong() {
    let home = Home::new("completion", "http://127.0.0.1:1");
    let program = env!("CARGO_BIN_EXE_kubectl-restward");
    symlink(program, home.0.join("kubectl-restward")).unwrap();
    home.file("kubectl_complete-restward", &says(&home, program, &["completion", "kubectl"]).await);
    let what = "Look at operator, webhook, certificates, backstop and policies, and say how to put right what is wrong";
    for (words, want) in [
        (&["che"][..], format!("check\t{what}\n:4\n")),
        (&["check", "-o", "j"], "json\tJSON\n:4\n".into()),
        (&["token", "decode", "--token-file", ""], ":0\n".into()),
        (&["token", "decode", "--token-file=to"], ":0\n".into()),
        (&["token", "decode", "--token-file", "token.txt", ""], ":4\n".into()),
    ] {
        let words = [&["kubectl_complete-restward"], words].concat();
        assert_eq!(says(&home, "sh", &words).await, want, "{words:?}");
    }
}
