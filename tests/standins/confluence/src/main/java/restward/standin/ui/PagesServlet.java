package restward.standin.ui;

import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.rest.WikiServlet;

/** The pages that people see: a visitor of a closed wiki is sent to the login page. */
@WebServlet({
    "", "/index.action", "/dashboard.action", "/display/*", "/pages/*", "/spaces/*", "/label/*", "/x/*", "/exportword",
    "/calendar/*"
})
public final class PagesServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Login login = Login.of(request);
        if (!login.isUser() && !wiki.settings().anonymousAccess()) {
            String here = request.getServletPath() + (request.getPathInfo() == null ? "" : request.getPathInfo());
            response.sendRedirect(request.getContextPath() + "/login.action?os_destination="
                    + URLEncoder.encode(here, StandardCharsets.UTF_8) + "&permissionViolation=true");
            return;
        }
        String who = login.isUser() ? login.user().fullName() : "Anonymous";
        Html.page(response, HttpServletResponse.SC_OK, "Dashboard", "<p>Logged in: " + Html.escape(who) + "</p>");
    }
}
