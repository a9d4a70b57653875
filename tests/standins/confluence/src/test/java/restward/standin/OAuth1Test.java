package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** Two-legged OAuth with impersonation: when it says yes, and every way in which it says no. */
final class OAuth1Test {
    private static StandIn wiki;

    @BeforeAll
    static void start() throws Exception {
        wiki = StandIn.start();
        Provisioning.link(wiki, "sidecar");
    }

    @AfterAll
    static void stop() throws Exception {
        wiki.close();
    }

    private static void assertProblem(int status, String problem, Response response) {
        assertEquals(status, response.status(), response.body());
        assertTrue(response.challenge().contains("oauth_problem=\"" + problem + "\""), response.challenge());
    }

    private static void assertAnonymous(Response echo) throws Exception {
        assertEquals(200, echo.status());
        assertNull(StandIn.user(echo));
        assertNull(echo.header("X-AUSERNAME"));
    }

    @Test
    void aSignedRequestIsTheNamedUser() throws Exception {
        Response echo = new OAuthCall("alice").send(wiki);
        assertEquals("alice", StandIn.user(echo));
        assertEquals("oauth1-2loi", echo.json().get("authentication"));
        assertEquals("alice", echo.header("X-AUSERNAME"));
        Response current = new OAuthCall("alice").path("/rest/api/user/current").send(wiki);
        assertEquals("alice", current.json().get("username"));
    }

    @Test
    void anotherKeyIsRefused() throws Exception {
        assertProblem(401, "signature_invalid", new OAuthCall("alice").signedBy(OAuthCall.newKeys()).send(wiki));
    }

    @Test
    void anotherBaseUrlIsRefused() throws Exception {
        assertProblem(401, "signature_invalid", new OAuthCall("alice").signedFor("https://localhost:" + wiki.port).send(wiki));
        assertProblem(401, "signature_invalid", new OAuthCall("alice").signedFor("http://127.0.0.1:" + wiki.port).send(wiki));
    }

    @Test
    void aParameterAddedAfterSigningIsRefused() throws Exception {
        OAuthCall call = new OAuthCall("alice").post("a", "1");
        assertProblem(401, "signature_invalid", call.sendWithBody(wiki, "a=2"));
    }

    @Test
    void aNonceCountsOnce() throws Exception {
        OAuthCall call = new OAuthCall("alice");
        assertEquals("alice", StandIn.user(call.send(wiki)));
        assertProblem(401, "nonce_used", call.send(wiki));
    }

    @Test
    void theClockMayDifferByFiveMinutes() throws Exception {
        assertEquals("alice", StandIn.user(new OAuthCall("alice").at(Instant.now().minusSeconds(280)).send(wiki)));
        assertProblem(400, "timestamp_refused", new OAuthCall("alice").at(Instant.now().minusSeconds(320)).send(wiki));
        assertProblem(400, "timestamp_refused", new OAuthCall("alice").at(Instant.now().plusSeconds(320)).send(wiki));
    }

    @Test
    void anUnknownConsumerIsRefused() throws Exception {
        assertProblem(401, "consumer_key_unknown", new OAuthCall("alice").set("oauth_consumer_key", "nobody").send(wiki));
    }

    @Test
    void onlyRsaSha1IsTaken() throws Exception {
        assertProblem(400, "signature_method_rejected", new OAuthCall("alice").set("oauth_signature_method", "HMAC-SHA1").send(wiki));
        assertProblem(400, "signature_method_rejected",
                new OAuthCall("alice").set("oauth_signature_method", "PLAINTEXT").set("oauth_signature", "&").send(wiki));
    }

    @Test
    void anotherVersionIsRefused() throws Exception {
        assertProblem(400, "version_rejected", new OAuthCall("alice").set("oauth_version", "2.0").send(wiki));
        assertEquals("alice", StandIn.user(new OAuthCall("alice").without("oauth_version").send(wiki)));
    }

    @Test
    void withoutTheEmptyTokenTheRequestIsAnonymous() throws Exception {
        assertAnonymous(new OAuthCall("alice").without("oauth_token").send(wiki));
        assertProblem(401, "token_rejected", new OAuthCall("alice").set("oauth_token", "something").send(wiki));
    }

    @Test
    void withoutAnyOtherParameterTheRequestIsAnonymousToo() throws Exception {
        for (String name : List.of("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature_method")) {
            assertAnonymous(new OAuthCall("alice").without(name).send(wiki));
        }
    }

    @Test
    void anUnknownUserGoesOnAsAnonymous() throws Exception {
        assertAnonymous(new OAuthCall("mallory-unknown").send(wiki));
        assertEquals(403, new OAuthCall("mallory-unknown").path("/rest/api/user/current").send(wiki).status());
    }

    @Test
    void aDisabledUserIsRefused() throws Exception {
        assertProblem(401, "permission_denied", new OAuthCall("dora").send(wiki));
    }

    @Test
    void namesAreFoundInAnyCaseAndAnsweredInTheDirectorysSpelling() throws Exception {
        assertEquals("Alice.Smith", StandIn.user(new OAuthCall("alice.smith").send(wiki)));
    }

    @Test
    void namesAreUtf8InTheRequestAndLatin1InTheAnswer() throws Exception {
        assertEquals("jürgen", new OAuthCall("jürgen").send(wiki).header("X-AUSERNAME"));
        Response beyondLatin1 = new OAuthCall("łukasz").send(wiki);
        assertEquals("łukasz", StandIn.user(beyondLatin1));
        assertNull(beyondLatin1.header("X-AUSERNAME"));
    }

    @Test
    void theFirstRequestorWins() throws Exception {
        Response echo = new OAuthCall(null).query("xoauth_requestor_id", "bob").query("xoauth_requestor_id", "alice").send(wiki);
        assertEquals("bob", StandIn.user(echo));
        assertEquals("bob", StandIn.user(new OAuthCall(null).query("user_id", "bob").send(wiki)));
        assertEquals("alice", StandIn.user(new OAuthCall("alice").query("user_id", "bob").send(wiki)));
    }

    @Test
    void aRequestorInTheHeaderNamesNobody() throws Exception {
        Response echo = new OAuthCall(null).set("xoauth_requestor_id", "alice").send(wiki);
        assertAnonymous(echo);
        assertEquals("oauth1-2lo", echo.json().get("authentication"));
    }

    @Test
    void aSecondOAuthParameterIsRejected() throws Exception {
        assertProblem(400, "parameter_rejected", new OAuthCall("alice").query("oauth_nonce", "again").send(wiki));
    }

    @Test
    void theParametersOfAPostedFormAreSignedAndThoseOfAPutAreNot() throws Exception {
        Response posted = new OAuthCall("alice").post("text", "a b+c").send(wiki);
        assertEquals("alice", StandIn.user(posted));
        assertEquals(List.of("a b+c"), ((Map<?, ?>) posted.json().get("parameters")).get("text"));
        assertEquals("alice", StandIn.user(new OAuthCall("alice").method("PUT").sendWithBody(wiki, "text=a")));
    }

    @Test
    void thePathIsSignedAsItWasSent() throws Exception {
        assertEquals("alice", StandIn.user(new OAuthCall("alice").path("/rest/standin/1.0/echo/%7Ebob/%c3%bc;v=1").send(wiki)));
        assertProblem(401, "signature_invalid",
                new OAuthCall("alice").path("/rest/standin/1.0/echo/%7Ebob").sentTo("/rest/standin/1.0/echo/~bob").send(wiki));
    }

    @Test
    void webDavClientsAreNotLookedAt() throws Exception {
        assertAnonymous(new OAuthCall("alice").header("User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/22.0.0").send(wiki));
        assertAnonymous(new OAuthCall("alice").header("User-Agent: Microsoft-WebDAV-MiniRedir/10.0.19045").send(wiki));
    }

    @Test
    void theSessionOfAnOAuthRequestEnds() throws Exception {
        String cookie = wiki.get("/rest/standin/1.0/echo", StandIn.basic("bob", "bob-password")).header("Set-Cookie").split(";")[0];
        assertEquals("bob", StandIn.user(wiki.get("/rest/standin/1.0/echo", "Cookie: " + cookie)));
        new OAuthCall("alice").header("Cookie: " + cookie).send(wiki);
        assertNull(StandIn.user(wiki.get("/rest/standin/1.0/echo", "Cookie: " + cookie)));
    }

    @Test
    void any401CarriesTheChallenge() throws Exception {
        Response response = wiki.get("/rest/pat/latest/tokens");
        assertEquals(401, response.status());
        assertEquals("OAuth realm=\"http://localhost:" + wiki.port + "/confluence\"", response.challenge());
    }
}
