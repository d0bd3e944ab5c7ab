import KubeAPI

/// A container as a kubelet reads it.
public struct ContainerManifest: Hashable, Sendable {
    public var name: String
    public var image: String
    public var command: [String]
    public var arguments: [String]
    public var workingDirectory: String?
    public var environment: [Variable]
    public var environmentSources: [Source]
    public var ports: [Port]
    public var mounts: [Mount]
    public var requests: [String: String]
    public var limits: [String: String]
    public var liveness: Probe?
    public var readiness: Probe?
    public var startup: Probe?
    public var postStart: Action?
    public var preStop: Action?
    /// Of an init container: it goes on beside the others, and the next one starts when it has started.
    public var isSidecar: Bool
    public var hasReadOnlyRoot: Bool
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    /// `nil`: as the pod says.
    public var mustNotRunAsRoot: Bool?
    public var terminationMessagePath: String
    /// A container that fails without a message leaves the end of its log.
    public var takesMessageFromLog: Bool
    /// Its input is open, for those who attach.
    public var takesInput: Bool
    /// Its input ends when the first who attached leaves.
    public var takesInputOnce: Bool
    public var hasTerminal: Bool

    public struct Variable: Hashable, Sendable {
        public enum Value: Hashable, Sendable {
            case text(String)
            case field(path: String)
            case resource(container: String?, name: String, divisor: String)
            case configMap(name: String, key: String, isOptional: Bool)
            case secret(name: String, key: String, isOptional: Bool)
        }
        public var name: String
        public var value: Value
    }

    public struct Source: Hashable, Sendable {
        public var prefix: String
        public var isSecret: Bool
        public var name: String
        public var isOptional: Bool
    }

    public struct Port: Hashable, Sendable {
        public var name: String
        public var number: UInt16
        public var transport: String
    }

    public struct Mount: Hashable, Sendable {
        public var volume: String
        public var path: String
        public var subPath: String
        public var isReadOnly: Bool
    }
}

// MARK: - Probes and hooks

/// What a probe or a hook does.
public enum Action: Hashable, Sendable {
    case run([String])
    /// An empty host is the pod itself.
    case get(host: String, port: UInt16, path: String, headers: [String], isTLS: Bool)
    case connect(host: String, port: UInt16)
    case wait(Duration)

    /// It asks for TLS.
    var isSecure: Bool { if case .get(_, _, _, _, isTLS: true) = self { true } else { false } }
}

public struct Probe: Hashable, Sendable {
    public var action: Action
    public var initialDelay: Duration
    public var period: Duration
    public var timeout: Duration
    public var successThreshold: Int
    public var failureThreshold: Int
    public var gracePeriod: Duration?
}

extension Probe {
    init?(_ tree: JSONValue?, ports: [ContainerManifest.Port]) {
        guard let tree, let action = Action(tree, ports: ports) else { return nil }
        func number(_ name: String, _ otherwise: Int64) -> Int64 { tree[name]?.number?.integer ?? otherwise }
        self.action = action
        initialDelay = .seconds(number("initialDelaySeconds", 0))
        period = .seconds(max(1, number("periodSeconds", 10)))
        timeout = .seconds(max(1, number("timeoutSeconds", 1)))
        successThreshold = Int(max(1, number("successThreshold", 1)))
        failureThreshold = Int(max(1, number("failureThreshold", 3)))
        gracePeriod = tree["terminationGracePeriodSeconds"]?.number?.integer.map { .seconds($0) }
    }
}

extension Action {
    init?(_ tree: JSONValue?, ports: [ContainerManifest.Port]) {
        func port(_ value: JSONValue?) -> UInt16? {
            if let number = value?.number?.integer { return UInt16(exactly: number) }
            guard let text = value?.string else { return nil }
            return UInt16(text) ?? ports.first { $0.name == text }?.number
        }
        if let command = tree?["exec"]?["command"]?.array {
            self = .run(command.compactMap(\.string))
        } else if let get = tree?["httpGet"], let port = port(get["port"]) {
            let headers = (get["httpHeaders"]?.array ?? []).map { "\($0["name"]?.string ?? ""): \($0["value"]?.string ?? "")" }
            self = .get(
                host: get["host"]?.string ?? "", port: port, path: get["path"]?.string ?? "/", headers: headers,
                isTLS: get["scheme"]?.string == "HTTPS")
        } else if let socket = tree?["tcpSocket"], let port = port(socket["port"]) {
            self = .connect(host: socket["host"]?.string ?? "", port: port)
        } else if let grpc = tree?["grpc"], let port = port(grpc["port"]) {
            // Whether the port answers is what we can say without speaking gRPC.
            self = .connect(host: "", port: port)
        } else if let seconds = tree?["sleep"]?["seconds"]?.number?.integer {
            self = .wait(.seconds(seconds))
        } else {
            return nil
        }
    }
}

// MARK: - Reading

extension ContainerManifest {
    init(_ tree: JSONValue) {
        func strings(_ name: String) -> [String] { (tree[name]?.array ?? []).compactMap(\.string) }
        name = tree["name"]?.string ?? ""
        image = tree["image"]?.string ?? ""
        command = strings("command")
        arguments = strings("args")
        workingDirectory = tree["workingDir"]?.string
        environment = (tree["env"]?.array ?? []).map(Variable.init)
        environmentSources = (tree["envFrom"]?.array ?? []).compactMap(Source.init)
        ports = (tree["ports"]?.array ?? []).compactMap { port in
            guard let number = port["containerPort"]?.number?.integer.flatMap(UInt16.init(exactly:)) else { return nil }
            return Port(name: port["name"]?.string ?? "", number: number, transport: port["protocol"]?.string ?? "TCP")
        }
        mounts = (tree["volumeMounts"]?.array ?? []).map {
            Mount(
                volume: $0["name"]?.string ?? "", path: $0["mountPath"]?.string ?? "", subPath: $0["subPath"]?.string ?? "",
                isReadOnly: $0["readOnly"]?.bool ?? false)
        }
        requests = Self.quantities(tree["resources"]?["requests"])
        limits = Self.quantities(tree["resources"]?["limits"])
        liveness = Probe(tree["livenessProbe"], ports: ports)
        readiness = Probe(tree["readinessProbe"], ports: ports)
        startup = Probe(tree["startupProbe"], ports: ports)
        postStart = Action(tree["lifecycle"]?["postStart"], ports: ports)
        preStop = Action(tree["lifecycle"]?["preStop"], ports: ports)
        isSidecar = tree["restartPolicy"]?.string == "Always"
        let security = tree["securityContext"]
        hasReadOnlyRoot = security?["readOnlyRootFilesystem"]?.bool ?? false
        runAsUser = security?["runAsUser"]?.number?.integer
        runAsGroup = security?["runAsGroup"]?.number?.integer
        terminationMessagePath = tree["terminationMessagePath"]?.string ?? "/dev/termination-log"
        mustNotRunAsRoot = security?["runAsNonRoot"]?.bool
        takesMessageFromLog = tree["terminationMessagePolicy"]?.string == "FallbackToLogsOnError"
        (takesInput, takesInputOnce) = (tree["stdin"]?.bool ?? false, tree["stdinOnce"]?.bool ?? false)
        hasTerminal = tree["tty"]?.bool ?? false
    }

    private static func quantities(_ tree: JSONValue?) -> [String: String] {
        var found: [String: String] = [:]
        for member in tree?.object?.members ?? [] { found[member.key] = member.value.string ?? member.value.description }
        return found
    }
}

extension ContainerManifest.Variable {
    fileprivate init(_ tree: JSONValue) {
        name = tree["name"]?.string ?? ""
        let from = tree["valueFrom"]
        func reference(_ tree: JSONValue) -> (name: String, key: String, isOptional: Bool) {
            (tree["name"]?.string ?? "", tree["key"]?.string ?? "", tree["optional"]?.bool ?? false)
        }
        if let path = from?["fieldRef"]?["fieldPath"]?.string {
            value = .field(path: path)
        } else if let tree = from?["resourceFieldRef"] {
            value = .resource(
                container: tree["containerName"]?.string, name: tree["resource"]?.string ?? "",
                divisor: tree["divisor"]?.string ?? "1")
        } else if let reference = (from?["configMapKeyRef"]).map(reference) {
            value = .configMap(name: reference.name, key: reference.key, isOptional: reference.isOptional)
        } else if let reference = (from?["secretKeyRef"]).map(reference) {
            value = .secret(name: reference.name, key: reference.key, isOptional: reference.isOptional)
        } else {
            value = .text(tree["value"]?.string ?? "")
        }
    }
}

extension ContainerManifest.Source {
    fileprivate init?(_ tree: JSONValue) {
        guard let reference = tree["configMapRef"] ?? tree["secretRef"] else { return nil }
        prefix = tree["prefix"]?.string ?? ""
        isSecret = tree["secretRef"] != nil
        name = reference["name"]?.string ?? ""
        isOptional = reference["optional"]?.bool ?? false
    }
}
