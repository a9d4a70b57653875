package restward.standin;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Map;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;

/** JSON in and out of servlets. */
public final class Json {
    public static final ObjectMapper MAPPER = new ObjectMapper();
    private static final TypeReference<Map<String, Object>> OBJECT = new TypeReference<>() {};

    private Json() {}

    public static void send(HttpServletResponse response, int status, Object body) throws IOException {
        response.setStatus(status);
        response.setContentType("application/json;charset=UTF-8");
        MAPPER.writeValue(response.getOutputStream(), body);
    }

    /** The error body of Confluence's REST API. */
    public static void sendError(HttpServletResponse response, int status, String message) throws IOException {
        send(response, status, Map.of("statusCode", status, "message", message));
    }

    /** The body as an object, or null (and a 400 sent) when it is not one. */
    public static Map<String, Object> read(HttpServletRequest request, HttpServletResponse response) throws IOException {
        try {
            Map<String, Object> body = MAPPER.readValue(request.getInputStream(), OBJECT);
            if (body != null) {
                return body;
            }
        } catch (JsonProcessingException e) {
            // answered below, like a missing object
        }
        sendError(response, 400, "The body must be a JSON object");
        return null;
    }

    /** A member that is itself an object; an empty one when it is absent. */
    @SuppressWarnings("unchecked")
    public static Map<String, Object> object(Map<String, Object> parent, String name) {
        return parent.get(name) instanceof Map<?, ?> member ? (Map<String, Object>) member : Map.of();
    }

    public static String text(Map<String, Object> parent, String name) {
        return parent.get(name) instanceof String text ? text : null;
    }
}
