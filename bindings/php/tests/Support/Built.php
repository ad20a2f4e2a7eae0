<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * Build results: the library, programs, components. If one is missing, tests fail and say how to build it.
 */
final class Built
{
    public static function library(): string
    {
        $named = getenv('SOCIAL_CHANNEL_LIBRARY');
        return is_string($named) && $named !== '' ? $named : self::find('libsocialchannel.so', 'social-channel-c');
    }

    public static function program(string $name): string
    {
        $packages = ['social-channel' => 'social-channel-cli'];
        return self::find($name, $packages[$name] ?? $name);
    }

    public static function component(string $name): string
    {
        $path = self::target() . "/wasm32-wasip2/guest/$name.wasm";
        return is_file($path) ? $path : throw new \RuntimeException("$path is missing: run `cargo xtask guests`");
    }

    private static function find(string $file, string $package): string
    {
        $named = getenv('SOCIAL_CHANNEL_BIN');
        $folders = is_string($named) && $named !== '' ? explode(':', $named) : [];
        foreach ([...$folders, self::target() . '/debug', self::target() . '/release'] as $folder) {
            if (is_file("$folder/$file")) {
                return "$folder/$file";
            }
        }
        throw new \RuntimeException("$file was not built: run `cargo build -p $package`");
    }

    private static function target(): string
    {
        $named = getenv('CARGO_TARGET_DIR');
        return is_string($named) && $named !== '' ? $named : dirname(__DIR__, 4) . '/target';
    }
}
