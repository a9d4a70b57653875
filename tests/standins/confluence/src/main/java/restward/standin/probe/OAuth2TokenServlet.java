package restward.standin.probe;

import java.io.IOException;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.rest.WikiServlet;

/** Test only: gives the caller an access token of the wiki's own OAuth 2 provider, without its browser dance. */
@WebServlet("/rest/standin/1.0/oauth2-token")
public final class OAuth2TokenServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Login login = Login.of(request);
        if (!login.isUser()) {
            response.sendError(HttpServletResponse.SC_FORBIDDEN);
            return;
        }
        Json.send(response, HttpServletResponse.SC_OK, Map.of("access_token", wiki.oauth2Tokens().issue(login.user())));
    }
}
