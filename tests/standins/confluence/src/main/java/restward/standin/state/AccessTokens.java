package restward.standin.state;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** Personal access tokens: 33 bytes (12 digits of id, a colon, 20 secret bytes) as 44 base64 characters. */
public final class AccessTokens {
    public static final int MAX_PER_USER = 10;
    private static final String FILE = "personal-access-tokens";
    private static final long ADMIN_TOKEN_ID = 1;

    /** {@code rawToken} is kept readable: the tokens of a test wiki are worth nothing. */
    public record Token(long id, String owner, String name, String createdAt, String expiringAt, String rawToken) {
        boolean expired() {
            return expiringAt != null && Instant.now().isAfter(Instant.parse(expiringAt));
        }
    }

    private final StateFile state;
    private final List<Token> tokens;
    private final SecureRandom random = new SecureRandom();

    public AccessTokens(StateFile state, String adminToken) throws IOException {
        this.state = state;
        this.tokens = new ArrayList<>(state.load(FILE, new TypeReference<List<Token>>() {}, List.of()));
        tokens.removeIf(token -> token.id() == ADMIN_TOKEN_ID);
        if (adminToken != null && !adminToken.isEmpty()) {
            tokens.add(new Token(ADMIN_TOKEN_ID, "admin", "seeded", Instant.now().toString(), null, adminToken));
        }
    }

    /** Who owns this token, or null when nobody does (any more). */
    public synchronized String ownerOf(String rawToken) {
        return tokens.stream()
                .filter(token -> token.rawToken().equals(rawToken) && !token.expired())
                .map(Token::owner)
                .findFirst()
                .orElse(null);
    }

    public synchronized List<Token> of(User owner) {
        return tokens.stream().filter(token -> token.owner().equals(owner.name())).toList();
    }

    /** The new token, or null when the owner has as many as allowed. */
    public synchronized Token create(User owner, String name, Integer days) {
        if (of(owner).size() >= MAX_PER_USER) {
            return null;
        }
        long id = 2 + random.nextLong(899_999_999_990L);
        Instant now = Instant.now();
        String expiring = days == null ? null : now.plus(days, ChronoUnit.DAYS).toString();
        Token token = new Token(id, owner.name(), name, now.toString(), expiring, newRawToken(id));
        tokens.add(token);
        state.save(FILE, tokens);
        return token;
    }

    public synchronized boolean revoke(User owner, long id) {
        boolean removed = tokens.removeIf(token -> token.id() == id && token.owner().equals(owner.name()));
        state.save(FILE, tokens);
        return removed;
    }

    private String newRawToken(long id) {
        byte[] token = new byte[33];
        random.nextBytes(token);
        byte[] prefix = String.format("%012d:", id).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(prefix, 0, token, 0, prefix.length);
        return Base64.getEncoder().encodeToString(token);
    }
}
