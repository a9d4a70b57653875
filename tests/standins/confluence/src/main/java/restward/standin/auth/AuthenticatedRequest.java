package restward.standin.auth;

import java.security.Principal;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletRequestWrapper;

/** The request as servlets see it: with its user. */
final class AuthenticatedRequest extends HttpServletRequestWrapper {
    private final String name;

    AuthenticatedRequest(HttpServletRequest request, Login login) {
        super(request);
        this.name = login.isUser() ? login.user().name() : null;
    }

    @Override
    public String getRemoteUser() {
        return name;
    }

    @Override
    public Principal getUserPrincipal() {
        return name == null ? null : () -> name;
    }
}
