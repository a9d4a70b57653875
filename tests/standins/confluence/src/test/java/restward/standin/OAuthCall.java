package restward.standin;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import restward.standin.RawHttp.Response;

/** An OAuth 1.0a signer after RFC 5849, written for the tests alone, so that net.oauth is never checked against itself. */
final class OAuthCall {
    static final KeyPair KEYS = newKeys();

    final Map<String, String> oauth = new LinkedHashMap<>();
    final List<String> headers = new ArrayList<>();
    private final List<String[]> query = new ArrayList<>();
    private final List<String[]> form = new ArrayList<>();
    private KeyPair keys = KEYS;
    private String method = "GET";
    private String path = "/rest/standin/1.0/echo";
    private String origin;
    private String sentPath;

    OAuthCall(String user) {
        oauth.put("oauth_consumer_key", "sidecar");
        oauth.put("oauth_token", "");
        oauth.put("oauth_signature_method", "RSA-SHA1");
        oauth.put("oauth_timestamp", Long.toString(Instant.now().getEpochSecond()));
        oauth.put("oauth_nonce", UUID.randomUUID().toString());
        oauth.put("oauth_version", "1.0");
        if (user != null) {
            query("xoauth_requestor_id", user);
        }
    }

    OAuthCall set(String name, String value) {
        oauth.put(name, value);
        return this;
    }

    OAuthCall without(String name) {
        oauth.remove(name);
        return this;
    }

    OAuthCall at(Instant time) {
        return set("oauth_timestamp", Long.toString(time.getEpochSecond()));
    }

    OAuthCall path(String value) {
        path = value;
        return this;
    }

    OAuthCall query(String name, String value) {
        query.add(new String[] {name, value});
        return this;
    }

    OAuthCall post(String name, String value) {
        method = "POST";
        form.add(new String[] {name, value});
        return this;
    }

    OAuthCall method(String value) {
        method = value;
        return this;
    }

    OAuthCall signedBy(KeyPair other) {
        keys = other;
        return this;
    }

    /** Signs for this scheme and authority, wherever the request then goes. */
    OAuthCall signedFor(String schemeAndAuthority) {
        origin = schemeAndAuthority;
        return this;
    }

    /** Sends another path than the one that was signed. */
    OAuthCall sentTo(String otherPath) {
        sentPath = otherPath;
        return this;
    }

    OAuthCall header(String... lines) {
        headers.addAll(Arrays.asList(lines));
        return this;
    }

    Response send(StandIn to) throws IOException {
        String body = form.isEmpty() ? null : encoded(form);
        return sendWithBody(to, body);
    }

    /** Sends another body than the one that was signed. */
    Response sendWithBody(StandIn to, String body) throws IOException {
        List<String> all = new ArrayList<>(headers);
        all.add("Authorization: " + authorization(to));
        if (body != null) {
            all.add("Content-Type: application/x-www-form-urlencoded");
        }
        String target = StandIn.CONTEXT + (sentPath == null ? path : sentPath) + (query.isEmpty() ? "" : "?" + encoded(query));
        return to.from("127.0.0.1").send(method, target, all, body);
    }

    private String authorization(StandIn to) {
        String base = origin == null ? "http://localhost:" + to.port : origin;
        List<String[]> parameters = new ArrayList<>(query);
        if (method.equals("POST")) {
            parameters.addAll(form);
        }
        oauth.forEach((name, value) -> parameters.add(new String[] {name, value}));
        String normalized = parameters.stream()
                .map(pair -> encode(pair[0]) + "=" + encode(pair[1]))
                .sorted()
                .collect(Collectors.joining("&"));
        String text = method + "&" + encode(base + StandIn.CONTEXT + path) + "&" + encode(normalized);
        Map<String, String> shown = new LinkedHashMap<>(oauth);
        shown.putIfAbsent("oauth_signature", sign(text));
        return "OAuth realm=\"\", " + shown.entrySet().stream()
                .map(entry -> entry.getKey() + "=\"" + encode(entry.getValue()) + "\"")
                .collect(Collectors.joining(", "));
    }

    private String sign(String text) {
        try {
            Signature signature = Signature.getInstance("SHA1withRSA");
            signature.initSign(keys.getPrivate());
            signature.update(text.getBytes(StandardCharsets.UTF_8));
            return Base64.getEncoder().encodeToString(signature.sign());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    static KeyPair newKeys() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(2048);
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String encoded(List<String[]> pairs) {
        return pairs.stream().map(pair -> encode(pair[0]) + "=" + encode(pair[1])).collect(Collectors.joining("&"));
    }

    /** RFC 3986 unreserved characters stay, everything else is a %XX of its UTF-8 bytes. */
    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }
}
