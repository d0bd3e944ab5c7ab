internal import FoundationEssentials
public import KubeAPI

/// Kubernetes objects in files, as `kubectl apply -f` takes them: YAML with many documents or JSON, `List`s, directories.
public enum ObjectFile {
    /// An object and where it stands.
    public struct Entry: Hashable, Sendable {
        public var origin: Origin
        public var tree: JSONValue
        /// What it is, when the list it came out of says it.
        var kind: GroupVersionKind?
    }

    /// A place in a file that a person can go to.
    public struct Origin: Hashable, Sendable, CustomStringConvertible {
        public var path: String
        /// From 1.
        public var document: Int
        /// Where the document begins, from 1.
        public var line: Int
        /// In a list, from 0.
        public var item: Int?

        /// `pods.yaml, document 2 (line 14), items[3]`.
        public var description: String {
            "\(path), document \(document) (line \(line))" + (item.map { ", items[\($0)]" } ?? "")
        }
    }

    /// What files came to: every object that can be built, and everything that is wrong with them.
    public struct Contents: Sendable {
        public var objects: [any KubernetesObject]
        public var faults: [SourceFault]
        /// The objects with a fault of their own: what is built of them is not all that was meant.
        public var damaged: Set<ObjectKey> = []
    }
}

extension ObjectFile {
    /// Which of an object's fields its kind has not: what a server warns of. Asked of those that can be read.
    public typealias UnknownFields = @Sendable (JSONValue, GroupVersionKind) -> [FieldPath]

    /// Reads files and directories; of a directory the files ending in `.yaml`, `.yml` or `.json`, by name, not below it.
    ///
    /// - Throws: ``ObjectFileError`` when something cannot be read or is no YAML or JSON. Objects that are wrong are no error.
    public static func load(
        _ paths: [String], registry: Registry = .standard, defaultNamespace: String = "default",
        unknownFields: UnknownFields = { _, _ in [] }
    ) throws(ObjectFileError) -> Contents {
        var entries: [Entry] = []
        for path in try files(paths) { entries += try read(path) }
        return contents(entries, registry: registry, defaultNamespace: defaultNamespace, unknownFields: unknownFields)
    }

    /// The trees of one file.
    public static func read(_ path: String) throws(ObjectFileError) -> [Entry] {
        let bytes: [UInt8]
        do {
            bytes = Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            throw ObjectFileError(.unreadable, path: path, line: nil, "reading objects: \(FileFault.text(error))", cause: error)
        }
        return try entries(bytes, path: path)
    }

    /// The trees of a file's bytes. A path that ends in `.json` is read as JSON, everything else as YAML, which JSON is too.
    public static func entries(_ bytes: [UInt8], path: String) throws(ObjectFileError) -> [Entry] {
        let documents = path.hasSuffix(".json") ? try json(bytes, path: path) : try yaml(bytes, path: path)
        var entries: [Entry] = []
        for (position, document) in documents.enumerated() {
            let origin = Origin(path: path, document: position + 1, line: document.line)
            entries += items(document.value, origin: origin)
        }
        return entries
    }

    /// Typed objects of trees. An object that is there twice counts once, as it was written last, and is told.
    public static func contents(
        _ entries: [Entry], registry: Registry, defaultNamespace: String, unknownFields: UnknownFields = { _, _ in [] }
    ) -> Contents {
        var contents = Contents(objects: [], faults: [])
        var positions: [ObjectKey: Int] = [:]
        for entry in entries {
            let reading = registry.read(entry.tree, as: entry.kind, defaultNamespace: defaultNamespace)
            let origin = "\(entry.origin)"
            contents.faults += reading.faults.map {
                SourceFault(origin: origin, key: reading.object?.key, message: $0.description, isAboutObject: true)
            }
            guard let object = reading.object else { continue }
            contents.faults += entry.unknown(unknownFields).map { path in
                var fault = SourceFault(origin: origin, key: object.key, message: "unknown field \"\(path)\"")
                fault.isUnknownField = true
                return fault
            }
            if !reading.faults.isEmpty { contents.damaged.insert(object.key) }
            if let earlier = positions[object.key] {
                let message = "is there twice; this one, the last, is used"
                contents.faults.append(SourceFault(origin: origin, key: object.key, message: message))
                contents.objects[earlier] = object
            } else {
                positions[object.key] = contents.objects.count
                contents.objects.append(object)
            }
        }
        return contents
    }

    /// The path without symbolic links: a mounted ConfigMap is nothing but links, and changes by changing them.
    static func resolved(_ path: String) -> String {
        URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false)
    }

    /// The files that paths mean.
    static func files(_ paths: [String]) throws(ObjectFileError) -> [String] {
        var files: [String] = []
        for path in paths {
            do {
                guard
                    try FileManager.default.attributesOfItem(atPath: resolved(path))[.type] as? FileAttributeType
                        == .typeDirectory
                else {
                    files.append(path)
                    continue
                }
                let names = try FileManager.default.contentsOfDirectory(atPath: path)
                let known = names.filter { name in [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) }
                files += known.sorted().map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
            } catch {
                throw ObjectFileError(
                    .unreadable, path: path, line: nil, "looking for objects: \(FileFault.text(error))", cause: error)
            }
        }
        return files
    }
}

extension ObjectFile.Entry {
    fileprivate func unknown(_ fields: ObjectFile.UnknownFields) -> [FieldPath] {
        let (version, word) = (tree["apiVersion"]?.string ?? "", tree["kind"]?.string ?? "")
        return (kind ?? GroupVersionKind(apiVersion: version, kind: word)).map { fields(tree, $0) } ?? []
    }
}

// MARK: - Documents

extension ObjectFile {
    private static func yaml(_ bytes: [UInt8], path: String) throws(ObjectFileError) -> [YAMLReader.Document] {
        // A byte order mark is allowed in YAML and nothing to anybody.
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        guard let text = String(validating: text, as: UTF8.self) else {
            throw ObjectFileError(.syntax, path: path, line: nil, "reading YAML: the file is not UTF-8")
        }
        do {
            return try YAMLReader.documents(text)
        } catch {
            throw ObjectFileError(
                .syntax, path: path, line: error.line, "reading YAML, document \(error.document): \(error.message)")
        }
    }

    private static func json(_ bytes: [UInt8], path: String) throws(ObjectFileError) -> [YAMLReader.Document] {
        do {
            return [YAMLReader.Document(value: try JSONReader().value(bytes), line: 1)]
        } catch {
            throw ObjectFileError(.syntax, path: path, line: error.line, "reading JSON, column \(error.column): \(error.message)")
        }
    }

    /// A `List` and a `PodList` are their items; the items of the second need not say what they are.
    private static func items(_ tree: JSONValue, origin: Origin) -> [Entry] {
        guard let kind = tree["kind"]?.string, kind.hasSuffix("List"), let items = tree["items"]?.array else {
            return [Entry(origin: origin, tree: tree)]
        }
        let implied = tree["apiVersion"]?.string.flatMap { GroupVersionKind(apiVersion: $0, kind: String(kind.dropLast(4))) }
        return items.enumerated().flatMap { position, item in
            var origin = origin
            origin.item = position
            guard item["kind"] == nil else { return self.items(item, origin: origin) }
            return [Entry(origin: origin, tree: item, kind: implied)]
        }
    }
}
