package restward.standin.probe;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.rest.WikiServlet;

/** Test only: says what reached the application, to any method and anybody. */
@WebServlet({"/rest/standin/1.0/echo", "/rest/standin/1.0/echo/*", "/rest/standin/1.0/form"})
public final class EchoServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Login login = Login.of(request);
        Map<String, Object> echo = new LinkedHashMap<>();
        echo.put("user", login.isUser() ? login.user().name() : null);
        echo.put("authentication", login.kind().label);
        echo.put("method", request.getMethod());
        echo.put("requestURL", request.getRequestURL().toString());
        echo.put("requestURI", request.getRequestURI());
        echo.put("forwardedFrom", request.getAttribute("javax.servlet.forward.request_uri"));
        echo.put("queryString", request.getQueryString());
        echo.put("remoteAddr", request.getRemoteAddr());
        echo.put("headers", RequestLogFilter.headers(request));
        echo.put("parameters", request.getParameterMap());
        digestBody(request.getInputStream(), echo);
        Json.send(response, HttpServletResponse.SC_OK, echo);
    }

    /** The body of a form was already read as parameters, so its length is 0 here. */
    private static void digestBody(InputStream body, Map<String, Object> echo) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[64 * 1024];
            long length = 0;
            for (int read; (read = body.read(buffer)) >= 0; ) {
                digest.update(buffer, 0, read);
                length += read;
            }
            echo.put("bodyLength", length);
            echo.put("bodySha256", HexFormat.of().formatHex(digest.digest()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
