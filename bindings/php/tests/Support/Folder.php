<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * A folder that goes with the test.
 */
final class Folder
{
    public readonly string $path;

    public function __construct()
    {
        $this->path = sys_get_temp_dir() . '/social-channel-php-' . bin2hex(random_bytes(6));
        mkdir($this->path, 0o755);
    }

    public function __destruct()
    {
        Program::run(['rm', '-rf', $this->path]);
    }

    public function file(string $name, int $size): string
    {
        $path = "$this->path/$name";
        $file = fopen($path, 'wb');
        // An MP4's first box, so that nobody takes it for something else; the rest is not looked at.
        fwrite($file, "\0\0\0\x18ftypisom\0\0\2\0isomiso2");
        for ($left = $size - 24; $left > 0; $left -= 1 << 20) {
            fwrite($file, random_bytes(min($left, 1 << 20)));
        }
        fclose($file);
        return $path;
    }
}
