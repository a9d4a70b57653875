package restward.standin.state;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/** Pages (in memory) and attachments (files). */
public final class Contents {
    public record Page(long id, String title, String creator) {}

    private final Path attachments;
    private final List<Page> pages = new ArrayList<>();
    private long nextId = 1001;

    public Contents(Path attachments) throws IOException {
        this.attachments = Files.createDirectories(attachments);
        add("Welcome", "admin");
        add("Handbook", "alice");
        add("Reports", "bob");
    }

    public synchronized List<Page> pages() {
        return List.copyOf(pages);
    }

    public synchronized Page find(String id) {
        return pages.stream().filter(page -> Long.toString(page.id()).equals(id)).findFirst().orElse(null);
    }

    public synchronized Page add(String title, String creator) {
        Page page = new Page(nextId++, title, creator);
        pages.add(page);
        return page;
    }

    public synchronized boolean remove(String id) {
        return pages.removeIf(page -> Long.toString(page.id()).equals(id));
    }

    public long store(Page page, String name, InputStream content) throws IOException {
        Path file = attachment(Long.toString(page.id()), name);
        Files.createDirectories(file.getParent());
        return Files.copy(content, file, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Where an attachment lies; the name is used only after its last slash, so it cannot leave its folder. */
    public Path attachment(String pageId, String name) {
        return attachments.resolve(Path.of(pageId).getFileName()).resolve(Path.of(name).getFileName());
    }
}
