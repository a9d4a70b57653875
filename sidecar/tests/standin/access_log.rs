//! One id joins the client's answer, the sidecar's audit line and Tomcat's own access log.

use std::{fs, time::Duration};

use http::{HeaderValue, Method};
use restward_crds::names;
use restward_sidecar::audit::Audit;
use serde_json::json;

use crate::{
    matrix::Lines,
    wiki::{self, PATIENCE, Wiki},
};

/// The line of Tomcat's log with this word, which it writes down every ten seconds.
async fn logged(wiki: &Wiki, word: &str) -> String {
    let look = async {
        loop {
            let logs = fs::read_dir(wiki.logs()).unwrap().map(|file| file.unwrap().path());
            let access = logs.filter(|path| path.to_string_lossy().contains("conf_access_log"));
            let text: String = access.map(|path| fs::read_to_string(path).unwrap()).collect();
            if let Some(line) = text.lines().find(|line| line.contains(word)) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap()
}

#[tokio::test]
async fn an_error_of_confluence_itself_is_found_in_all_three_by_one_id() {
    let (wiki, lines) = (Wiki::start(&[("STANDIN_ANONYMOUS", "true")]), Lines::default());
    let mut config = wiki::config();
    config["audit"] = json!({"lines": "All"});
    let sidecar = wiki.start_sidecar_with(&config, Audit::to(lines.clone())).await;
    wiki.until_readiness(&sidecar, 200).await;
    let path = "/confluence/download/attachments/none";
    let answer = wiki.through(sidecar.data, wiki.request(Method::GET, "", None), path).await;
    assert_eq!(answer.status, 404, "Confluence's own");
    let ids: Vec<&HeaderValue> = answer.headers.get_all(names::HEADER_REQUEST_ID).iter().collect();
    let [id] = ids[..] else { panic!("{ids:?}") };
    let id = id.to_str().unwrap();

    let audit = lines.all();
    let line = audit.iter().find(|line| line["request_id"] == id).unwrap();
    assert_eq!(line["status"], 404);
    let line = logged(&wiki, id).await;
    assert!(line.contains(path) && line.contains(" 404 "), "{line}");
}
