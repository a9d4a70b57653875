package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** REST resources, pages, attachments and the test-only paths, on a closed and on a public wiki. */
final class PagesTest {
    private static final String ALICE = StandIn.basic("alice", "alice-password");
    private static StandIn closed;
    private static StandIn open;

    @BeforeAll
    static void start() throws Exception {
        closed = StandIn.start();
        open = StandIn.start("STANDIN_ANONYMOUS=true");
    }

    @AfterAll
    static void stop() throws Exception {
        closed.close();
        open.close();
    }

    @Test
    void statusNeedsNoLogin() throws Exception {
        assertEquals(Map.of("state", "RUNNING"), closed.get("/status").json());
    }

    @Test
    void aClosedWikiShowsNothingToVisitors() throws Exception {
        assertEquals(403, closed.get("/rest/api/content").status());
        assertEquals(403, closed.get("/rest/api/user/current").status());
        assertEquals(401, closed.get("/rest/pat/latest/tokens").status());
        Response page = closed.get("/display/DS/Welcome");
        assertEquals(302, page.status());
        assertTrue(page.header("Location").contains("/login.action?os_destination=%2Fdisplay%2FDS%2FWelcome"), page.header("Location"));
        assertEquals(302, closed.get("/download/attachments/zeros/10").status());
    }

    @Test
    void aPublicWikiAnswersAnonymousCallsWith200() throws Exception {
        assertEquals(200, open.get("/rest/api/content").status());
        Response current = open.get("/rest/api/user/current");
        assertEquals("anonymous", current.json().get("type"));
        assertNull(current.header("X-AUSERNAME"));
        assertEquals(200, open.get("/").status());
        assertEquals(200, open.json("POST", "/rest/api/content", "{\"title\":\"written by nobody\"}").status());
    }

    @Test
    void contentIsListedReadAndCreatedAsTheUser() throws Exception {
        Response created = closed.json("POST", "/rest/api/content", "{\"title\":\"New\",\"type\":\"page\"}", ALICE);
        assertEquals(200, created.status());
        assertTrue(created.body().contains("\"username\":\"alice\""), created.body());
        assertEquals("New", closed.get("/rest/api/content/" + created.json().get("id"), ALICE).json().get("title"));
        assertEquals(404, closed.get("/rest/api/content/999999", ALICE).status());
    }

    @Test
    void aRemovedPageIsGoneAndItsIdIsNotGivenAgain() throws Exception {
        Object id = closed.json("POST", "/rest/api/content", "{\"title\":\"Brief\"}", ALICE).json().get("id");
        String path = "/rest/api/content/" + id;
        assertEquals(204, closed.send("DELETE", path, "", ALICE).status());
        assertEquals(404, closed.get(path, ALICE).status());
        assertEquals(404, closed.send("DELETE", path, "", ALICE).status());
        assertNotEquals(id, closed.json("POST", "/rest/api/content", "{\"title\":\"Next\"}", ALICE).json().get("id"));
    }

    @Test
    void theNextLinkCopiesTheQuery() throws Exception {
        Map<?, ?> links = (Map<?, ?>) open.get("/rest/api/content?limit=1&xoauth_requestor_id=alice").json().get("_links");
        assertEquals("/rest/api/content?limit=1&xoauth_requestor_id=alice&start=1", links.get("next"));
    }

    @Test
    void anAttachmentComesBackAsItWentIn() throws Exception {
        String multipart = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n";
        String type = "Content-Type: multipart/form-data; boundary=b";
        String path = "/rest/api/content/1001/child/attachment";
        assertEquals(403, closed.send("POST", path, multipart, ALICE, type).status());
        assertEquals(200, closed.send("POST", path, multipart, ALICE, type, "X-Atlassian-Token: no-check").status());
        assertEquals("hello", closed.get("/download/attachments/1001/a.txt", ALICE).body());
        String outside = multipart.replace("a.txt", "..");
        assertEquals(400, closed.send("POST", path, outside, ALICE, type, "X-Atlassian-Token: no-check").status());
        assertEquals(100_000, closed.get("/download/attachments/zeros/100000", ALICE).body().length());
    }

    @Test
    void aBrowsersPostMustComeFromTheSameOrigin() throws Exception {
        String browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)";
        String body = "{\"title\":\"x\"}";
        assertEquals(403, closed.json("POST", "/rest/api/content", body, ALICE, browser).status());
        assertEquals(403, closed.json("POST", "/rest/api/content", body, ALICE, browser, "Origin: https://evil.test").status());
        assertEquals(200, closed.json("POST", "/rest/api/content", body, ALICE, browser, "Origin: http://localhost:" + closed.port).status());
    }

    @Test
    void aPreflightIsAnsweredWithoutLogin() throws Exception {
        Response granted = closed.send("OPTIONS", "/rest/api/content", null,
                "Origin: https://app.example.test", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization");
        assertEquals(200, granted.status());
        assertEquals("https://app.example.test", granted.header("Access-Control-Allow-Origin"));
        assertEquals("authorization", granted.header("Access-Control-Allow-Headers"));
        Response foreign = closed.send("OPTIONS", "/rest/api/content", null, "Origin: https://evil.test", "Access-Control-Request-Method: GET");
        assertNull(foreign.header("Access-Control-Allow-Origin"));
    }

    @Test
    void staticPathsLeadToTheRestApiAndNameNoUser() throws Exception {
        Response echo = closed.get("/s/d41d8/9012/1/_/rest/standin/1.0/echo", ALICE);
        assertEquals("alice", StandIn.user(echo));
        assertEquals("/confluence/s/d41d8/9012/1/_/rest/standin/1.0/echo", echo.json().get("forwardedFrom"));
        assertNull(echo.header("X-AUSERNAME"));
        assertNull(closed.get("/download/resources/x.css", ALICE).header("X-AUSERNAME"));
    }

    @Test
    void theUisOwnCallsAreAnswered() throws Exception {
        for (String path : List.of("/rest/authconfig/1.0/login-options", "/rest/webResources/1.0/resources", "/rest/analytics/1.0/publish",
                "/rest/capabilities", "/rest/oauth2/latest/token", "/plugins/servlet/oauth/request-token")) {
            assertEquals(200, closed.get(path).status(), path);
        }
    }

    @Test
    void theEchoTellsWhatArrived() throws Exception {
        Response echo = closed.send("PATCH", "/rest/standin/1.0/echo?b=2&a=1&a=3", "body", ALICE, "X-One: 1", "X-One: 2");
        Map<String, Object> json = echo.json();
        assertEquals("PATCH", json.get("method"));
        assertEquals("b=2&a=1&a=3", json.get("queryString"));
        assertEquals(List.of("1", "3"), ((Map<?, ?>) json.get("parameters")).get("a"));
        assertEquals(4, json.get("bodyLength"));
        assertEquals("230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5", json.get("bodySha256"));
        assertTrue(((List<?>) json.get("headers")).containsAll(List.of(List.of("x-one", "1"), List.of("x-one", "2"))));
    }

    @Test
    void formsAreReadAsUtf8WhateverCharsetTheyName() throws Exception {
        Response echo = closed.send("POST", "/rest/standin/1.0/form", "latin1=%FC&utf8=%C3%BC",
                "Content-Type: application/x-www-form-urlencoded; charset=ISO-8859-1");
        assertEquals(Map.of("latin1", List.of("\uFFFD"), "utf8", List.of("ü")), echo.json().get("parameters"));
    }

    @Test
    void theLogShowsWhatArrivedButNotItsReaders() throws Exception {
        String log = "/rest/standin/1.0/requests";
        int before = (int) closed.get(log).json().get("count");
        closed.get("/status?seen=1");
        Map<String, Object> after = closed.get(log + "?after=" + before).json();
        assertEquals(before + 1, after.get("count"));
        assertTrue(after.get("requests").toString().contains("seen=1"), after.toString());
    }
}
