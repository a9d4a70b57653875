package restward.standin.state;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Password logins, with the captcha that repeated failures bring (off unless a limit is set). */
public final class Passwords {
    /** The words of the X-Seraph-LoginReason header. */
    public enum Reason { OK, AUTHENTICATED_FAILED, AUTHENTICATION_DENIED }

    private final Users users;
    private final int captchaAfter;
    private final Map<String, Integer> failures = new ConcurrentHashMap<>();

    public Passwords(Users users, int captchaAfter) {
        this.users = users;
        this.captchaAfter = captchaAfter;
    }

    public Reason check(String name, String password) {
        User user = users.find(name);
        if (user == null || user.disabled()) {
            return Reason.AUTHENTICATED_FAILED;
        }
        if (captchaAfter > 0 && failures.getOrDefault(user.name(), 0) >= captchaAfter) {
            return Reason.AUTHENTICATION_DENIED;
        }
        if (!user.password().equals(password)) {
            failures.merge(user.name(), 1, Integer::sum);
            return Reason.AUTHENTICATED_FAILED;
        }
        failures.remove(user.name());
        return Reason.OK;
    }
}
