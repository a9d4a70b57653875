package restward.standin.auth;

import javax.servlet.ServletRequest;
import restward.standin.state.User;

/** How the request was authenticated and as whom; {@code user} is null for an anonymous request. */
public record Login(Kind kind, User user) {
    /** The way in, by the names that the echo shows to tests. */
    public enum Kind {
        ANONYMOUS("anonymous"),
        SESSION("session"),
        REMEMBER_ME("remember-me"),
        BASIC("basic"),
        PARAMETERS("login-parameters"),
        PERSONAL_ACCESS_TOKEN("pat"),
        OAUTH1_IMPERSONATION("oauth1-2loi"),
        OAUTH1_TWO_LEGGED("oauth1-2lo"),
        OAUTH2("oauth2"),
        HEADER("header");

        public final String label;

        Kind(String label) {
            this.label = label;
        }

        /** WebSudo asks people for their password again; token callers are let through without. */
        public boolean bypassesWebSudo() {
            return this == PERSONAL_ACCESS_TOKEN || this == OAUTH2 || this == OAUTH1_IMPERSONATION;
        }
    }

    public static final Login ANONYMOUS = new Login(Kind.ANONYMOUS, null);
    private static final String ATTRIBUTE = Login.class.getName();

    public static Login of(ServletRequest request) {
        return request.getAttribute(ATTRIBUTE) instanceof Login login ? login : ANONYMOUS;
    }

    /** A filter that sets this marks the request as done: later filters look at no password. */
    static boolean isDecided(ServletRequest request) {
        return request.getAttribute(ATTRIBUTE) != null;
    }

    void decide(ServletRequest request) {
        request.setAttribute(ATTRIBUTE, this);
    }

    public boolean isUser() {
        return user != null;
    }
}
