<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * Shared libraries that a test compiles from C.
 */
final class Compiled
{
    /** @param list<string> $flags */
    public static function library(string $path, string $source, array $flags = []): string
    {
        [$code, $output, $said] = Program::run(['cc', '-shared', '-fPIC', '-o', $path, $source, ...$flags]);
        if ($code !== 0) {
            throw new \RuntimeException("$source does not compile (run-tests.sh installs a compiler): $output$said");
        }
        return $path;
    }

    /** A library with all functions of the header, which reports another version. They must not be called. */
    public static function ofVersion(Folder $folder, int $major, int $minor): string
    {
        $header = (string) file_get_contents(dirname(__DIR__, 2) . '/src/Internal/social_channel.ffi.h');
        preg_match_all('/\b(socialchannel_\w+)\(/', $header, $found);
        $number = $major * 1_000_000 + $minor * 1_000;
        $source = "unsigned socialchannel_version_number(void) { return $number; }\n"
            . "const char *socialchannel_version_text(void) { return \"$major.$minor.0\"; }\n"
            . "void abort(void);\n";
        foreach (array_unique($found[1]) as $name) {
            if (!str_starts_with($name, 'socialchannel_version_')) {
                $source .= "void $name(void) { abort(); }\n";
            }
        }
        file_put_contents("$folder->path/version.c", $source);
        return self::library("$folder->path/libsocialchannel-$major.$minor.so", "$folder->path/version.c");
    }

    /** The real library for the manuals' snippets: see tests/c/manuals/stand_in.c. */
    public static function standIn(Folder $folder): string
    {
        $root = dirname(__DIR__, 4);
        $real = Built::library();
        return self::library("$folder->path/libsocialchannel.so", "$root/tests/c/manuals/stand_in.c", [
            "-I$root/bindings/c/include",
            '-Wl,--no-as-needed',
            $real,
            '-Wl,-rpath,' . dirname($real),
            '-ldl',
        ]);
    }
}
