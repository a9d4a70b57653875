package restward.standin.state;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.UnaryOperator;

/** Application links, each with at most one incoming OAuth 1 consumer. */
public final class ApplicationLinks {
    private static final String FILE = "application-links";

    /** Which kinds of two-legged OAuth a link lets in (or out). */
    public record OAuthStatus(boolean enabled, boolean twoLoEnabled, boolean twoLoImpersonationEnabled) {
        public static final OAuthStatus OFF = new OAuthStatus(false, false, false);
    }

    /** {@code publicKey} is X.509 SubjectPublicKeyInfo in base64, without PEM armour. */
    public record Consumer(String key, String name, String publicKey) {}

    public record Link(
            String id, String name, String typeId, String rpcUrl, String displayUrl,
            Consumer consumer, OAuthStatus incoming, OAuthStatus outgoing) {}

    private final StateFile state;
    private final List<Link> links;

    public ApplicationLinks(StateFile state) throws IOException {
        this.state = state;
        this.links = new ArrayList<>(state.load(FILE, new TypeReference<List<Link>>() {}, List.of()));
    }

    public synchronized List<Link> all() {
        return List.copyOf(links);
    }

    public synchronized Link find(String id) {
        return links.stream().filter(link -> link.id().equals(id)).findFirst().orElse(null);
    }

    public synchronized Link findByConsumerKey(String key) {
        return links.stream()
                .filter(link -> link.consumer() != null && link.consumer().key().equals(key))
                .findFirst()
                .orElse(null);
    }

    public synchronized Link create(String name, String typeId, String rpcUrl, String displayUrl) {
        String id = UUID.randomUUID().toString();
        Link link = new Link(id, name, typeId, rpcUrl, displayUrl, null, OAuthStatus.OFF, OAuthStatus.OFF);
        links.add(link);
        save();
        return link;
    }

    public void setConsumer(String id, Consumer consumer) {
        change(id, link -> new Link(link.id(), link.name(), link.typeId(), link.rpcUrl(), link.displayUrl(),
                consumer, link.incoming(), link.outgoing()));
    }

    public void setStatus(String id, OAuthStatus incoming, OAuthStatus outgoing) {
        change(id, link -> new Link(link.id(), link.name(), link.typeId(), link.rpcUrl(), link.displayUrl(),
                link.consumer(), incoming, outgoing));
    }

    public synchronized boolean delete(String id) {
        boolean removed = links.removeIf(link -> link.id().equals(id));
        save();
        return removed;
    }

    private synchronized void change(String id, UnaryOperator<Link> edit) {
        links.replaceAll(link -> link.id().equals(id) ? edit.apply(link) : link);
        save();
    }

    private void save() {
        state.save(FILE, links);
    }
}
