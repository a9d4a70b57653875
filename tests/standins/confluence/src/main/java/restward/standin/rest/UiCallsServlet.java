package restward.standin.rest;

import java.io.IOException;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;

/** REST calls that the pages of the wiki make, often before anybody is logged in; a trivial answer each. */
@WebServlet({
    "/rest/authconfig/1.0/login-options", "/rest/webResources/*", "/rest/analytics/*", "/rest/capabilities",
    "/rest/capabilities/*", "/rest/oauth2/latest/*", "/rest/applinks/1.0/manifest", "/rest/prototype/*"
})
public final class UiCallsServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Json.send(response, HttpServletResponse.SC_OK,
                Map.of("resource", request.getServletPath(), "user", String.valueOf(Login.of(request).isUser())));
    }
}
