package restward.standin.state;

import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import javax.servlet.http.Cookie;
import javax.servlet.http.HttpServletRequest;

/** The seraph.confluence cookie: logs a browser in again for two weeks after its session is gone. */
public final class RememberMe {
    public static final String COOKIE = "seraph.confluence";
    private static final int TWO_WEEKS = 14 * 24 * 3600;

    private final Map<String, String> userByCookie = new ConcurrentHashMap<>();

    public Cookie issue(User user, String path) {
        String value = UUID.randomUUID().toString();
        userByCookie.put(value, user.name());
        Cookie cookie = new Cookie(COOKIE, value);
        cookie.setHttpOnly(true);
        cookie.setPath(path.isEmpty() ? "/" : path);
        cookie.setMaxAge(TWO_WEEKS);
        return cookie;
    }

    /** The remembered user's name, or null. */
    public String userOf(HttpServletRequest request) {
        Cookie[] cookies = request.getCookies();
        if (cookies != null) {
            for (Cookie cookie : cookies) {
                if (cookie.getName().equals(COOKIE)) {
                    return userByCookie.get(cookie.getValue());
                }
            }
        }
        return null;
    }
}
