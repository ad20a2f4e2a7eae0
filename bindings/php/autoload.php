<?php

declare(strict_types=1);

/*
 * Loads the package without Composer: `require '/path/of/autoload.php';`.
 */

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'SocialChannel\\')) {
        $file = __DIR__ . '/src/' . str_replace('\\', '/', substr($class, 14)) . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
