package restward.standin.auth;

import java.io.IOException;
import javax.servlet.http.HttpServletResponse;
import javax.servlet.http.HttpServletResponseWrapper;

/** Adds {@code WWW-Authenticate: OAuth} to any 401, also where no OAuth was involved. */
final class OAuthChallengeResponse extends HttpServletResponseWrapper {
    private final String challenge;

    OAuthChallengeResponse(HttpServletResponse response, String realm) {
        super(response);
        this.challenge = "OAuth realm=\"" + realm + "\"";
    }

    @Override
    public void setStatus(int status) {
        challenge(status);
        super.setStatus(status);
    }

    @Override
    public void sendError(int status) throws IOException {
        challenge(status);
        super.sendError(status);
    }

    @Override
    public void sendError(int status, String message) throws IOException {
        challenge(status);
        super.sendError(status, message);
    }

    private void challenge(int status) {
        if (status == SC_UNAUTHORIZED) {
            addHeader("WWW-Authenticate", challenge);
        }
    }
}
