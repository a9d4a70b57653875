package restward.standin.state;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Access tokens of Confluence's own OAuth 2 provider: an HS256 JWT whose single claim is {@code id}, so no issuer. */
public final class OAuth2Tokens {
    private static final String HEADER = encode("{\"alg\":\"HS256\"}".getBytes(StandardCharsets.UTF_8));

    private final byte[] key;
    private final Map<String, String> userById = new ConcurrentHashMap<>();

    public OAuth2Tokens(String key) {
        this.key = key.getBytes(StandardCharsets.UTF_8);
    }

    public String issue(User user) {
        String id = UUID.randomUUID().toString();
        userById.put(id, user.name());
        return sign(id);
    }

    /** Whose token this is, or null when it is none of ours. */
    public String ownerOf(String token) {
        return userById.entrySet().stream()
                .filter(entry -> equal(sign(entry.getKey()), token))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(null);
    }

    private String sign(String id) {
        String claims = encode(("{\"id\":\"" + id + "\"}").getBytes(StandardCharsets.UTF_8));
        String signed = HEADER + "." + claims;
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return signed + "." + encode(mac.doFinal(signed.getBytes(StandardCharsets.US_ASCII)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static boolean equal(String a, String b) {
        return MessageDigest.isEqual(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    }

    private static String encode(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
