public import KubeAPI

/// What a custom resource definition says of one version of its kind.
public struct CustomKind: Hashable, Sendable {
    public var schema: StructuralSchema
    /// As the OpenAPI documents show it.
    public var schemaTree: JSONValue
    public var printerColumns: [PrinterColumn]
    /// Where the scale subresource finds its numbers.
    public var scale: Scale?
    /// Objects are stored in this version.
    public var isStored: Bool
    /// Whether it can be asked for. One that is only stored in is not.
    public var isServed: Bool
    /// Said in a warning with every request; `nil` when the version is in good standing.
    public var deprecation: String?

    public struct PrinterColumn: Hashable, Sendable {
        public var name: String
        public var type: String
        public var format: String
        public var description: String
        /// 0 is always shown, greater ones with `-o wide`.
        public var priority: Int
        public var path: JSONPath
    }

    /// Dotted paths such as `.spec.replicas`.
    public struct Scale: Hashable, Sendable {
        public var specReplicas: String
        public var statusReplicas: String
        public var labelSelector: String?
    }
}

extension ServedKind {
    /// The version of a custom resource definition that objects are stored in; `nil` when the definition is not whole.
    public init?(crd: JSONValue) {
        guard let stored = Self.kinds(ofCRD: crd).first(where: { $0.custom?.isStored == true }) else { return nil }
        self = stored
    }

    /// One kind per version that is served or stored, in the order of the definition. Empty when the definition is not whole.
    ///
    /// The words are those of `spec.names`; whether they were free to take is for the `NamesAccepted` condition.
    public static func kinds(ofCRD crd: JSONValue) -> [ServedKind] {
        guard let spec = crd["spec"], let group = spec["group"]?.string, let names = spec["names"],
            let kind = names["kind"]?.string, let plural = names["plural"]?.string
        else { return [] }
        func words(_ field: String) -> [String] { names[field]?.array?.compactMap(\.string) ?? [] }
        return spec["versions"]?.array?.compactMap { version in
            guard let name = version["name"]?.string,
                version["served"]?.bool == true || version["storage"]?.bool == true,
                let custom = CustomKind(version: version, of: "\(group)/\(name) \(kind)")
            else { return nil }
            var served = ServedKind(
                group: group, version: name, kind: kind, plural: plural,
                singular: names["singular"]?.string ?? kind.lowercased(), shortNames: words("shortNames"),
                categories: words("categories"), isNamespaced: spec["scope"]?.string != "Cluster",
                listKind: names["listKind"]?.string ?? kind + "List")
            if version.at("subresources", "status") != nil { served.subresources.append(.status) }
            if custom.scale != nil { served.subresources.append(.scale) }
            served.custom = custom
            return served
        } ?? []
    }
}

extension CustomKind {
    fileprivate init?(version: JSONValue, of name: String) {
        let tree = version.at("schema", "openAPIV3Schema") ?? ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        schema = StructuralSchema(tree)
        schemaTree = tree
        isStored = version["storage"]?.bool == true
        isServed = version["served"]?.bool == true
        printerColumns = version["additionalPrinterColumns"]?.objects.compactMap(PrinterColumn.init) ?? []
        if let paths = version.at("subresources", "scale"), let spec = paths["specReplicasPath"]?.string,
            let status = paths["statusReplicasPath"]?.string
        {
            scale = Scale(specReplicas: spec, statusReplicas: status, labelSelector: paths["labelSelectorPath"]?.string)
        }
        if version["deprecated"]?.bool == true {
            deprecation = version["deprecationWarning"]?.string ?? "\(name) is deprecated"
        }
    }
}

extension CustomKind.PrinterColumn {
    fileprivate init?(_ column: JSONObject) {
        guard let path = JSONPath(column.string("jsonPath")) else { return nil }
        self.init(
            name: column.string("name"), type: column.string("type"), format: column.string("format"),
            description: column.string("description"), priority: Int(clamping: column["priority"]?.integer ?? 0), path: path)
    }
}
