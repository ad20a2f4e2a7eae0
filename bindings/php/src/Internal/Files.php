<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

/**
 * Checks for files that PHP cannot access, and folders that a web server may serve.
 *
 * @internal
 */
final class Files
{
    /**
     * Why a file cannot be read, and what to do.
     *
     * @return array{string, string}
     */
    public static function whyNot(string $path): array
    {
        $folders = (string) ini_get('open_basedir');
        if ($folders !== '' && !self::isWithin($path, $folders)) {
            $folder = dirname($path);
            return [
                "open_basedir ($folders) denies PHP access to $folder",
                "write open_basedir = $folders" . PATH_SEPARATOR . "$folder in php.ini or in the pool, or move the file",
            ];
        }
        clearstatcache();
        if (!@file_exists($path)) {
            $user = self::user();
            return ["no such file, or the user $user may not access its folder", 'check the path and its folders'];
        }
        if (@is_dir($path)) {
            return ['it is a folder', 'name the file in it'];
        }
        return [
            'the user ' . self::user() . ' may not read it',
            "let that user read it: setfacl -m u:" . self::user() . ":r $path",
        ];
    }

    /** Whether `open_basedir` allows access to a file. */
    public static function isAllowed(string $path): bool
    {
        $folders = (string) ini_get('open_basedir');
        return $folders === '' || self::isWithin($path, $folders);
    }

    /** Reports a library built for another machine than this PHP. The system's loader only says that it is missing. */
    public static function otherMachine(string $library): ?string
    {
        [$built, $here] = [self::machine($library), self::machine('/proc/self/exe')];
        return $built === null || $here === null || $built === $here ? null : "it is built for $built, but this PHP for $here";
    }

    /** The target of an ELF file; null for another file. */
    private static function machine(string $path): ?string
    {
        $head = @file_get_contents($path, false, null, 0, 20);
        if ($head === false || strlen($head) < 20 || !str_starts_with($head, "\x7fELF")) {
            return null;
        }
        $number = unpack($head[5] === "\2" ? 'n' : 'v', $head, 18)[1];
        $names = [3 => 'i386', 40 => 'arm', 62 => 'x86_64', 183 => 'aarch64', 243 => 'riscv', 22 => 's390', 21 => 'ppc64'];
        return $names[$number] ?? "ELF machine $number";
    }

    /**
     * A warning if the folder of the key is below this page's DOCUMENT_ROOT, which only PHP knows.
     *
     * @param array<string, mixed> $config of the library
     */
    public static function belowDocumentRoot(#[\SensitiveParameter] array $config): ?string
    {
        $root = PHP_SAPI === 'cli' ? '' : (string) ($_SERVER['DOCUMENT_ROOT'] ?? '');
        $root = $root === '' ? false : @realpath($root);
        $place = $config['key_file'] ?? $config['data'] ?? $config['database'] ?? null;
        // A database on a server is no path.
        if ($root === false || !is_string($place) || !str_starts_with($place, '/')) {
            return null;
        }
        $place = @realpath($place) ?: $place;
        return self::isWithin($place, $root)
            ? "$place is below $root (the DOCUMENT_ROOT): a web server may serve the master key and the database, and with "
                . 'them every account. Move them to a folder outside, such as /var/lib/shop.'
            : null;
    }

    private static function isWithin(string $path, string $folders): bool
    {
        $path = rtrim($path, '/') . '/';
        foreach (explode(PATH_SEPARATOR, $folders) as $folder) {
            $folder = rtrim($folder === '.' ? (string) getcwd() : $folder, '/') . '/';
            if (str_starts_with($path, $folder)) {
                return true;
            }
        }
        return false;
    }

    private static function user(): string
    {
        $entry = function_exists('posix_geteuid') ? posix_getpwuid(posix_geteuid()) : false;
        return is_array($entry) ? $entry['name'] : get_current_user();
    }
}
