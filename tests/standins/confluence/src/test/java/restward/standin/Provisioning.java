package restward.standin;

import java.io.IOException;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/** The three calls that make an incoming application link. */
final class Provisioning {
    private static final String PAT = StandIn.bearer(StandIn.ADMIN_PAT);

    private Provisioning() {}

    /** All three calls; the link's id. */
    static String link(StandIn wiki, String consumerKey) throws IOException {
        String id = create(wiki);
        consumer(wiki, id, consumerKey);
        status(wiki, id, true, true, true);
        return id;
    }

    static String create(StandIn wiki) throws IOException {
        var created = wiki.json("PUT", "/rest/applinks/3.0/applicationlink",
                "{\"id\":null,\"name\":\"rest-auth-sidecar\",\"rpcUrl\":\"https://sidecar.invalid\","
                        + "\"displayUrl\":\"https://sidecar.invalid\",\"typeId\":\"generic\"}", PAT);
        expect(201, created.status());
        Map<?, ?> link = (Map<?, ?>) ((List<?>) created.json().get("resources-created")).get(0);
        String href = (String) link.get("href");
        return href.substring(href.lastIndexOf('/') + 1);
    }

    static void consumer(StandIn wiki, String id, String key) throws IOException {
        String publicKey = Base64.getEncoder().encodeToString(OAuthCall.KEYS.getPublic().getEncoded());
        expect(201, wiki.json("PUT", "/rest/applinks-oauth/1.0/applicationlink/" + id + "/authentication/consumer",
                "{\"key\":\"" + key + "\",\"name\":\"sidecar\",\"description\":null,\"sharedSecret\":null,\"publicKey\":\"" + publicKey
                        + "\",\"outgoing\":false,\"twoLOAllowed\":true,\"executingTwoLOUser\":null,\"twoLOImpersonationAllowed\":true}",
                PAT).status());
    }

    static void status(StandIn wiki, String id, boolean enabled, boolean twoLo, boolean impersonation) throws IOException {
        expect(204, wiki.json("PUT", "/rest/applinks/3.0/status/" + id + "/oauth",
                "{\"incoming\":{\"enabled\":" + enabled + ",\"twoLoEnabled\":" + twoLo + ",\"twoLoImpersonationEnabled\":" + impersonation
                        + "},\"outgoing\":{\"enabled\":false,\"twoLoEnabled\":false,\"twoLoImpersonationEnabled\":false}}",
                PAT).status());
    }

    private static void expect(int wanted, int seen) {
        if (wanted != seen) {
            throw new AssertionError("provisioning: wanted " + wanted + ", got " + seen);
        }
    }
}
