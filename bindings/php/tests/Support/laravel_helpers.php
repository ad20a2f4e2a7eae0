<?php

declare(strict_types=1);

/* What Laravel's foundation, which is not installed for the tests, defines for configuration files. */

function storage_path(string $path = ''): string
{
    return \Illuminate\Container\Container::getInstance()->storagePath($path);
}
