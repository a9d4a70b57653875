package restward.standin.rest;

import java.io.IOException;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;

/** The rest of the REST API: in Confluence one servlet has all of it, so also what no resource answers to. */
@WebServlet("/rest/*")
public final class UnknownResourceServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Json.sendError(response, HttpServletResponse.SC_NOT_FOUND, "null for uri");
    }
}
