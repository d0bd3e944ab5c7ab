internal import FoundationEssentials
internal import KubeAPI

extension Kubeconfig {
    /// Where kubectl looks: the files of `KUBECONFIG`, or `.kube/config` at home.
    ///
    /// - Parameter environment: of the process, from whoever may read it.
    public static func paths(environment: [String: String]) -> [String] {
        let listed = (environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
        if !listed.isEmpty { return listed }
        return (environment["HOME"]).map { ["\($0)/.kube/config"] } ?? []
    }

    /// Reads files and merges them. A file that does not exist is passed over while another one does.
    public static func load(_ paths: [String]) throws(KubeconfigError) -> Kubeconfig {
        var result: Kubeconfig?
        for path in paths where FileManager.default.fileExists(atPath: path) {
            let text = try text(at: path)
            let directory = absolute(path).split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
                separator: "/")
            let one = try Kubeconfig(text: text, origin: "kubeconfig \(path)", directory: directory)
            result?.merge(one)
            result = result ?? one
        }
        guard let result else {
            let tried = paths.isEmpty ? "neither KUBECONFIG nor HOME is set" : "no such file"
            throw KubeconfigError(
                .unreadable, "kubeconfig \(paths.joined(separator: ":"))", "\(tried); name a kubeconfig file that exists")
        }
        return result
    }

    private static func text(at path: String) throws(KubeconfigError) -> String {
        do {
            let data = try Data(contentsOf: URL(filePath: path))
            guard let text = String(validating: data, as: UTF8.self) else {
                throw KubeconfigError(.syntax, "kubeconfig \(path)", "it is no UTF-8")
            }
            return text
        } catch let error as KubeconfigError {
            throw error
        } catch {
            throw KubeconfigError(.unreadable, "kubeconfig \(path)", "reading: \(FileFault.text(error))", cause: error)
        }
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    }

    /// Reads one text.
    ///
    /// - Parameter origin: how to call it in errors.
    /// - Parameter directory: what relative paths in it are relative to.
    public init(text: String, origin: String = "kubeconfig", directory: String) throws(KubeconfigError) {
        let documents: [YAMLReader.Document]
        do {
            documents = try YAMLReader.documents(text)
        } catch {
            throw KubeconfigError(.syntax, "\(origin), line \(error.line)", error.message, cause: error)
        }
        guard documents.count <= 1 else {
            throw KubeconfigError(.syntax, "\(origin), line \(documents[1].line)", "a kubeconfig is one document")
        }
        // kubectl, too, takes an empty file for a kubeconfig that says nothing.
        var fields = FieldReader(documents.first?.value ?? .object(JSONObject()))
        self.init(reading: &fields, directory: directory)
        guard fields.errors.isEmpty else {
            throw KubeconfigError(.field, origin, fields.errors.map(\.description).joined(separator: "; "))
        }
    }

    private init(reading fields: inout FieldReader, directory: String) {
        self.init()
        if let kind = fields.string("kind"), kind != "Config" {
            fields.report(.notSupported(fields.path("kind"), .string(kind), ["Config"]))
        }
        if let version = fields.string("apiVersion"), version != "v1" {
            fields.report(.notSupported(fields.path("apiVersion"), .string(version), ["v1"]))
        }
        clusters = fields.named("clusters", "cluster") { Cluster(reading: &$0, directory: directory) }
        users = fields.named("users", "user") { User(reading: &$0, directory: directory) }
        contexts = fields.named("contexts", "context") { Context(reading: &$0) }
        currentContext = fields.filled("current-context")
    }
}

// MARK: - Parts

extension Kubeconfig.Cluster {
    fileprivate init(reading fields: inout FieldReader, directory: String) {
        server = fields.filled("server") ?? ""
        authority = fields.material("certificate-authority", directory)
        skipsVerification = fields.bool("insecure-skip-tls-verify") ?? false
        tlsServerName = fields.filled("tls-server-name")
        proxyURL = fields.filled("proxy-url")
        if server.isEmpty {
            fields.report(.required(fields.path("server"), "such as https://192.0.2.1:6443"))
        } else if ServerURL(server) == nil {
            fields.report(
                .invalid(
                    fields.path("server"), .string(server), "must be http:// or https://, a host, and perhaps a port and a path"))
        }
        if skipsVerification, authority != nil {
            let path = fields.path("insecure-skip-tls-verify")
            fields.report(.invalid(path, true, "must not be true beside a certificate authority, which would not be looked at"))
        }
    }
}

extension Kubeconfig.User {
    fileprivate init(reading fields: inout FieldReader, directory: String) {
        certificate = fields.material("client-certificate", directory)
        key = fields.material("client-key", directory)
        token = fields.filled("token")
        tokenFile = fields.filled("tokenFile").map { resolved($0, directory) }
        refusedFields = ["exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"]
            .filter { fields.value($0) != nil }
    }
}

extension Kubeconfig.Context {
    fileprivate init(reading fields: inout FieldReader) {
        cluster = fields.filled("cluster") ?? ""
        user = fields.filled("user") ?? ""
        namespace = fields.filled("namespace")
    }
}

private func resolved(_ path: String, _ directory: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }

extension FieldReader {
    /// An empty text is none.
    fileprivate mutating func filled(_ field: String) -> String? { string(field).flatMap { $0.isEmpty ? nil : $0 } }

    /// A list of `{name: …, <inner>: {…}}`. Of two with the same name the first counts, as in kubectl.
    fileprivate mutating func named<Part>(
        _ field: String, _ inner: String, _ read: (inout FieldReader) -> Part
    ) -> [String: Part] {
        let parts = list(field) { fields -> (String, Part)? in
            guard let name = fields.filled("name") else {
                fields.report(.required(fields.path("name")))
                return nil
            }
            return (name, fields.section(inner, read))
        }
        return Dictionary(parts.compactMap(\.self)) { first, _ in first }
    }

    /// `<field>-data` in base64 wins over the path in `<field>`.
    fileprivate mutating func material(_ field: String, _ directory: String) -> Kubeconfig.Material? {
        let (path, data) = (filled(field), filled("\(field)-data"))
        guard let data else { return path.map { .file(resolved($0, directory)) } }
        if let bytes = Base64.bytes(of: data) { return .data(bytes) }
        // What is wrong may be half a key: it is not repeated.
        report(.invalid(self.path("\(field)-data"), "…", "must be base64"))
        return nil
    }
}
