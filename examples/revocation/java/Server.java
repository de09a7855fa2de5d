import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/**
 * A server that asks for client certificates, and refuses those that are revoked or suspended.
 *
 * <pre>java Server.java 8445 server.p12 PASSWORD ca/certs/root.crt crls/all.pem</pre>
 */
public final class Server {
    private final KeyManagerFactory keys;
    private final X509Certificate root;
    private final Path crls;
    private List<?> read;
    private SSLContext context;

    Server(KeyManagerFactory keys, X509Certificate root, Path crls) {
        this.keys = keys;
        this.root = root;
        this.crls = crls;
    }

    /** Goes by these CRLs alone. */
    private TrustManager[] clients() throws GeneralSecurityException, IOException {
        var parameters = new PKIXBuilderParameters(Set.of(new TrustAnchor(root, null)), new X509CertSelector());
        parameters.setRevocationEnabled(true);
        try (InputStream in = Files.newInputStream(crls)) {
            var lists = CertificateFactory.getInstance("X.509").generateCRLs(in);
            parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
        }
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(new CertPathTrustManagerParameters(parameters));
        return trust.getTrustManagers();
    }

    /** A new one when the CRLs have changed, so that no session from before is resumed. */
    private synchronized SSLContext context() throws GeneralSecurityException, IOException {
        var file = Files.readAttributes(crls, BasicFileAttributes.class);
        var now = Arrays.asList(file.lastModifiedTime(), file.fileKey());
        if (!now.equals(read)) {
            var next = SSLContext.getInstance("TLS");
            next.init(keys.getKeyManagers(), clients(), null);
            context = next;
            read = now;
        }
        return context;
    }

    private void serve(Socket plain) {
        try (plain) {
            plain.setSoTimeout(10_000);
            var socket = (SSLSocket) context().getSocketFactory().createSocket(plain, null, plain.getPort(), true);
            socket.setUseClientMode(false);
            socket.setNeedClientAuth(true);
            socket.startHandshake();
            // What is resumed was checked when it began.
            ((X509Certificate) socket.getSession().getPeerCertificates()[0]).checkValidity();
            answer(socket);
        } catch (GeneralSecurityException | IOException refused) {
            System.err.println(refused);
        }
    }

    /** Enough HTTP for one request without a body. */
    private static void answer(SSLSocket socket) throws IOException {
        InputStream in = socket.getInputStream();
        for (int last = 0, next; last != 0x0d0a0d0a && (next = in.read()) >= 0; last = last << 8 | next) {}
        String body = "hello " + socket.getSession().getPeerPrincipal().getName() + "\n";
        String head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + body.length() + "\r\n\r\n";
        OutputStream out = socket.getOutputStream();
        out.write((head + body).getBytes(StandardCharsets.UTF_8));
        out.flush();
        socket.close();
    }

    public static void main(String[] args) throws Exception {
        char[] password = args[2].toCharArray();
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(KeyStore.getInstance(Path.of(args[1]).toFile(), password), password);
        var root = new ByteArrayInputStream(Files.readAllBytes(Path.of(args[3])));
        var anchor = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(root);
        var server = new Server(keys, anchor, Path.of(args[4]));
        try (var listener = new ServerSocket(Integer.parseInt(args[0]), 50, InetAddress.getLoopbackAddress())) {
            while (true) {
                Socket accepted = listener.accept();
                new Thread(() -> server.serve(accepted)).start();
            }
        }
    }
}
