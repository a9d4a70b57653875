package restward.standin.auth;

import javax.servlet.http.HttpServletRequest;
import restward.standin.Wiki;
import restward.standin.state.User;

/** The browser session: who is logged in in it. */
public final class Sessions {
    private static final String USER = "standin.user";

    private Sessions() {}

    /** Makes the session the user's, under a new id (no session fixation). */
    public static void logIn(HttpServletRequest request, User user) {
        if (request.getSession(false) != null) {
            request.changeSessionId();
        }
        request.getSession().setAttribute(USER, user.name());
    }

    public static void logOut(HttpServletRequest request) {
        var session = request.getSession(false);
        if (session != null) {
            session.invalidate();
        }
    }

    static User userOf(Wiki wiki, HttpServletRequest request) {
        var session = request.getSession(false);
        return session == null ? null : wiki.users().find((String) session.getAttribute(USER));
    }
}
