package restward.standin.auth;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import javax.servlet.http.HttpServletRequest;

/** User name and password of an {@code Authorization: Basic} header (scheme in any case). */
record BasicCredentials(String name, String password) {
    private static final String SCHEME = "basic ";

    static boolean present(HttpServletRequest request) {
        String header = request.getHeader("Authorization");
        return header != null && header.regionMatches(true, 0, SCHEME, 0, SCHEME.length());
    }

    /** The credentials; empty ones when the header holds nothing readable. */
    static BasicCredentials of(HttpServletRequest request) {
        try {
            byte[] bytes = Base64.getDecoder().decode(request.getHeader("Authorization").substring(SCHEME.length()).trim());
            String pair = new String(bytes, StandardCharsets.UTF_8);
            int colon = pair.indexOf(':');
            return colon < 0 ? new BasicCredentials(pair, "") : new BasicCredentials(pair.substring(0, colon), pair.substring(colon + 1));
        } catch (IllegalArgumentException notBase64) {
            return new BasicCredentials("", "");
        }
    }
}
