public import Addressing

/// A container of a pod, as far as the network and a small kubelet need it.
public struct Container: Hashable, Sendable {
    public struct Port: Hashable, Sendable {
        /// Empty, or a name that services and probes may use for the number.
        public var name: String
        /// 0 only beside a fault: the port keeps its place in the list.
        public var number: UInt16
        public var transport: TransportProtocol
        public var hostPort: UInt16?
        /// `nil`: on all addresses of the node.
        public var hostIP: IPAddress?
    }

    public struct Variable: Hashable, Sendable {
        public var name: String
        /// `nil` when the value comes from elsewhere (`valueFrom`).
        public var value: String?
    }

    public var name: String
    public var image: String
    /// Empty: the image's entry point.
    public var command: [String]
    public var arguments: [String]
    public var ports: [Port]
    public var environment: [Variable]
    /// Of an init container that it is a sidecar: it is started before the others, and runs beside them.
    public var restartsAlways = false

    public init(name: String, image: String, command: [String] = [], arguments: [String] = []) {
        self.name = name
        self.image = image
        self.command = command
        self.arguments = arguments
        (ports, environment) = ([], [])
    }
}

// MARK: - Reading

extension Container {
    init(reading fields: inout FieldReader) {
        name = fields.string("name") ?? ""
        image = fields.string("image") ?? ""
        command = fields.strings("command")
        arguments = fields.strings("args")
        ports = fields.list("ports", Port.init(reading:))
        restartsAlways = fields.string("restartPolicy") == "Always"
        environment = fields.list("env") { fields in
            let name = fields.string("name") ?? ""
            let isElsewhere = fields.value("valueFrom") != nil
            return Variable(name: name, value: isElsewhere ? nil : fields.string("value") ?? "")
        }
    }
}

extension Container.Port {
    fileprivate init(reading fields: inout FieldReader) {
        name = fields.string("name") ?? ""
        transport = fields.word("protocol", TransportProtocol.self) ?? .tcp
        hostPort = fields.port("hostPort")
        hostIP = fields.address("hostIP")
        number = fields.port("containerPort") ?? 0
    }
}

extension FieldReader {
    /// A port's number; `nil` when absent or 0, which Go cannot tell apart.
    public mutating func port(_ field: String) -> UInt16? {
        guard let number = integer(field), number != 0 else { return nil }
        if let port = UInt16(exactly: number) { return port }
        report(.invalid(path(field), .number(JSONNumber(number)), "must be between 1 and 65535, inclusive"))
        return nil
    }
}

// MARK: - Validation

extension Container {
    func faults(at path: FieldPath, usesHostNetwork: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        if name.isEmpty {
            errors.append(.required(path.child("name")))
        } else {
            errors += NameRule.dnsLabel.faults(in: name).map { .invalid(path.child("name"), .string(name), $0) }
        }
        if image.isEmpty { errors.append(.required(path.child("image"))) }
        for (position, variable) in environment.enumerated() {
            let path = path.child("env").index(position).child("name")
            if variable.name.isEmpty {
                errors.append(.required(path))
            } else {
                errors += NameRule.environmentName.faults(in: variable.name).map { .invalid(path, .string(variable.name), $0) }
            }
        }
        return errors + portFaults(at: path.child("ports"), usesHostNetwork: usesHostNetwork)
    }

    private func portFaults(at path: FieldPath, usesHostNetwork: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (position, port) in ports.enumerated() {
            let path = path.index(position)
            if !port.name.isEmpty {
                let faults = NameRule.portName.faults(in: port.name)
                errors += faults.map { .invalid(path.child("name"), .string(port.name), $0) }
                if faults.isEmpty, !names.insert(port.name).inserted {
                    errors.append(.duplicate(path.child("name"), .string(port.name)))
                }
            }
            if port.number == 0 { errors.append(.required(path.child("containerPort"))) }
            if usesHostNetwork, let hostPort = port.hostPort, hostPort != port.number {
                let value = JSONValue.number(JSONNumber(Int64(port.number)))
                errors.append(.invalid(path.child("containerPort"), value, "must match `hostPort` when `hostNetwork` is true"))
            }
        }
        return errors
    }
}
